/**
 * The end of a request over several ranks, at the sender of one rank whose receiver cannot announce it. The sender reports the
 * end of its rank to the lead. When the lead is gone, the sender of rank 0 announces `failed` in its place, for all ranks (P17).
 * It announces no other end, because the lead may have a successor that leads the same request. If it has promised to
 * follow the end of a lead, it announces nothing until that lead is proven dead (P12).
 */
import { KvferryError } from '../../protocol/errors.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import type { PeerRequest, RankReport } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { PeerAddress } from '../peers/peer-call.js';
import { requireOwner } from '../peers/require-owner.js';
import type { RankLink } from '../ranks/rank-link.js';
import { RankLinks } from '../ranks/rank-links.js';

export interface EndedRank {
  readonly request: string;
  readonly ranks: Ranks;
  /** Receiver of the rank. */
  readonly receiver: string;
  readonly chunks: number;
  /** When the rank was put, or this sender took it over, on the agent's clock. */
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** The rank whose appeal made this sender take over a rank 0 that it was never given. */
  readonly appealed?: RankReport['appealed'];
}

interface Promised {
  /** Epoch of the lead that may announce an end. */
  readonly epoch: string;
  readonly atMs: number;
}

interface Waiting {
  readonly link: RankLink;
  /** Name of the agent that leads the ranks. */
  readonly lead: string;
  /** Epoch of its process. */
  promisedTo: string | undefined;
}

export class RankEnds {
  readonly #env: AgentEnv;
  readonly #links: RankLinks;
  readonly #announce: (rank: EndedRank, reason: Failure | null) => void;
  /**
   * By the name of the lead and the request, the oldest first. A lead may ask about a request whose rank 0 was never put. A promise
   * to an agent that turns out not to lead the request binds nobody.
   */
  readonly #promises = new Map<string, Promised>();
  /** Ranks whose lead has been asked for the end, by request. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(env: AgentEnv, announce: (rank: EndedRank, reason: Failure | null) => void) {
    this.#env = env;
    this.#announce = announce;
    this.#links = new RankLinks(env);
  }

  isWaiting(request: string): boolean {
    return this.#waiting.has(request);
  }

  /** Whether this process may announce an end of the request, because this sender has agreed to it. */
  hasPromised(request: string, { agent, epoch }: PeerAddress): boolean {
    return this.#promises.get(nameOf(request, agent))?.epoch === epoch;
  }

  /** This sender follows the end that the process `lead` announces. Throws `not_yours` when another agent leads the request. */
  promise(request: string, lead: PeerAddress): void {
    const waiting = this.#waiting.get(request);
    if (waiting !== undefined) requireOwner(waiting.lead, lead.agent, `request ${request}`);
    const name = nameOf(request, lead.agent);
    this.#promises.delete(name);
    this.#promises.set(name, { epoch: lead.epoch, atMs: this.#env.clock.now() });
    this.#prune();
    if (waiting === undefined) return;
    waiting.promisedTo = lead.epoch;
    waiting.link.prepared();
  }

  /** Reports the end of a rank to the lead, and announces `failed` when that is the part of this sender. */
  report(rank: EndedRank, end: End, reason: Failure | null): void {
    const { request, ranks, deadlineMs, chunks, appealed } = rank;
    const holder = this.#holderOf(request);
    const task = {
      holder,
      ranks,
      deadlineMs,
      from: undefined,
      appealed,
      groups: undefined,
      promisedTo: () => this.#waiting.get(request)?.promisedTo,
    };
    const link = this.#links.open(task, {
      counts: () => ({ chunks, deduplicated: 0, joined: 0, bytes: 0 }),
      turn: () => undefined,
      verdict: () => this.#waiting.delete(request),
      // The reason of another end does not explain why the request has failed.
      lost: (loss, proven) => this.#leadLost(rank, end === 'failed' ? reason : loss, proven),
    });
    const lead = ranks.members[0]?.receiver as string;
    const promisedTo = this.#promises.get(nameOf(request, lead))?.epoch;
    this.#waiting.set(request, { link, lead, promisedTo });
    link.say(end === 'ready' ? 'failed' : end, reason);
    if (promisedTo !== undefined) link.prepared();
  }

  /**
   * Throws `too_many_requests` when as many ranks wait as there may be requests in progress. Other agents decide how long these wait,
   * and each of them looks for its lead again and again.
   */
  refuseMore(request: string): void {
    const { agent, requestsMax } = this.#env.options;
    if (this.#waiting.size < requestsMax) return;
    const message = `agent ${agent} sees to the ends of ${this.#waiting.size} ranks: appeal for request ${request} again later`;
    throw new KvferryError('too_many_requests', message, { field: 'request' });
  }

  /** Reports a rank 0 that this sender was never given, for the attempt of the rank that appeals. */
  standIn({ request, epoch, ranks, timeoutMs }: PeerRequest<'appeal'>, receiver: string, failure: Failure): void {
    const startedMs = this.#env.clock.now();
    const appealed = { rank: ranks.rank, epoch };
    const rank = { request, ranks: { ...ranks, rank: 0 }, receiver, chunks: 0, startedMs, appealed };
    this.report({ ...rank, deadlineMs: startedMs + timeoutMs }, 'failed', failure);
  }

  /** A process that is proven dead announces nothing any more: a promise to it does not bind. */
  released(request: string, lead: PeerAddress): void {
    if (this.hasPromised(request, lead)) this.#promises.delete(nameOf(request, lead.agent));
  }

  /** Resolves when no rank waits for its lead. */
  settled(): Promise<void> {
    return this.#links.settled();
  }

  sweep(): void {
    this.#prune();
  }

  close(): void {
    this.#links.close();
  }

  // ------------------------------------------------------------------------------------------------------------------

  #leadLost(rank: EndedRank, reason: Failure | null, proven: boolean): void {
    const { request, ranks } = rank;
    const promisedTo = this.#waiting.get(request)?.promisedTo;
    this.#waiting.delete(request);
    if (ranks.rank > 0) return;
    if (promisedTo === undefined || proven) this.#announce(rank, reason);
    else this.#env.counters.add('ends_unknown');
  }

  #prune(): void {
    const { clock, options } = this.#env;
    for (const [name, { atMs }] of this.#promises) {
      if (this.#promises.size <= options.tombstonesMax && clock.now() - atMs < options.tombstoneMs) return;
      this.#promises.delete(name);
    }
  }

  #holderOf(request: string): HolderId {
    return { request, epoch: this.#env.epoch };
  }
}

function nameOf(request: string, lead: string): string {
  return `${lead}/${request}`;
}
