/** Runs one ingest machine: the arrival of one request, and the announcement of its end. */
import { type Actor, createActor } from 'xstate';
import { type IngestContext, type IngestEffects, type IngestEvent, ingestMachine } from '../../../machines/ingest.js';
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { RequestRow } from '../../protocol/status-rows.js';
import type { End } from '../../protocol/subjects.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { announceEnd } from '../env/publish-event.js';
import { aboutRank } from '../observing/journal.js';
import { requestFields } from '../observing/log-fields.js';
import { endLevel } from '../observing/log-level.js';
import { stateName } from '../observing/state-name.js';
import { type Agreement, confirmEnd } from '../peers/confirm-end.js';
import { notifyPeer } from '../peers/peer-call.js';
import type { Groups } from '../ranks/groups.js';
import type { RankLink } from '../ranks/rank-link.js';
import type { RankLinks } from '../ranks/rank-links.js';
import type { Verdict } from '../ranks/verdict.js';
import { Owners, tell } from '../running/owners.js';

export interface IngestTask {
  readonly holder: HolderId;
  /** Name of the sending agent. */
  readonly sender: string;
  readonly totalChunks: number;
  readonly timeoutMs: number;
  /** Undefined when the request has only one rank. */
  readonly ranks: Ranks | undefined;
  readonly links: RankLinks;
  /** Undefined unless this agent leads the ranks. */
  readonly groups: Groups | undefined;
}

export interface IngestListener {
  /** Whether the heartbeats of the sender are watched. */
  senderIsWatched(): boolean;
  /** Whether the sender is lost and cannot be asked any more. */
  senderIsLost(): boolean;
  /** When the leases of the request expire, on the agent's clock; undefined when it has none. */
  leaseEndsMs(): number | undefined;
  /** It is the turn of the ranks of this request whose senders have these epochs. */
  turn(epochs: readonly string[]): void;
  /** The store must record this end. */
  ended(ingest: IngestActor, end: End, reason: Failure | null): void;
  /** The request has ended, and its leases too. */
  gone(ingest: IngestActor): void;
}

const owners = new Owners<IngestActor, IngestEffects>();
const logic = owners.provide(ingestMachine, {
  decide: (owner, { context }) => owner.decide(context),
  reportHeld: (owner) => owner.reportRank('held'),
  reportAdmitted: (owner) => owner.reportRank('running'),
  reportComplete: (owner) => owner.reportRank('complete'),
  recordEnd: (owner, { context }) => owner.recordEnd(context),
  announce: (owner, { context }) => owner.announce(context),
  notifyJoined: (owner, _, { batch }) => owner.notifyJoined(batch),
  reportLeasesEnded: (owner, _, { cause }) => owner.reportLeasesEnded(cause),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class IngestActor {
  readonly task: IngestTask;
  readonly #env: AgentEnv;
  readonly #listener: IngestListener;
  readonly #actor: Actor<typeof ingestMachine>;
  readonly #startedMs: number;
  /** The link to the agent that leads the ranks; undefined when the request has only one rank. */
  readonly #link: RankLink | undefined;
  #announced = false;
  #resolveDecided: () => void = () => undefined;
  /** Resolves when the store has recorded the end. */
  readonly decided = new Promise<void>((resolve) => {
    this.#resolveDecided = resolve;
  });

  constructor(env: AgentEnv, task: IngestTask, listener: IngestListener) {
    this.task = task;
    this.#env = env;
    this.#listener = listener;
    this.#startedMs = env.clock.now();
    const { holder, sender, totalChunks, timeoutMs, ranks } = task;
    const input = { ...holder, sender, totalChunks, timeoutMs, rank: ranks?.rank ?? null };
    this.#actor = createActor(logic, { id: `ingest ${holder.epoch}/${holder.request}`, input, clock: env.clock });
    this.#actor.subscribe({ complete: () => this.#listener.gone(this) });
    owners.start(this.#actor, this, {
      task: { about: { ...holder, peer: sender, ...aboutRank(ranks) }, endsMs: () => this.#leaseEndsMs },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
    this.#link = ranks === undefined ? undefined : this.#openLink(ranks);
  }

  send(event: IngestEvent): void {
    tell(this.#actor, event);
  }

  end(end: 'failed' | 'cancelled' | 'expired', failure: Failure): void {
    this.send({ type: 'ingest.end', end, failure });
  }

  /** The sender itself gives the request up. An end other than `failed` still needs its agreement: it may give up waiting. */
  abort(end: 'failed' | 'cancelled' | 'expired', failure: Failure): void {
    if (end === 'failed') this.send({ type: 'ingest.abort', failure });
    else this.end(end, failure);
  }

  /** The agent that leads the ranks reports how the whole request ended. */
  told(verdict: Verdict): void {
    this.#link?.told(verdict);
  }

  /** The agent that leads the ranks asks whether this rank is complete and waits for the end. Throws when it is not. */
  prepare(): void {
    const { request } = this.task.holder;
    if (!this.#link?.isFollowing || !this.#actor.getSnapshot().matches({ running: 'gathering' })) {
      throw new KvferryError('request_active', `this rank of request ${request} does not wait for the end`);
    }
    this.#link.prepared();
  }

  /** How many chunks of the batch that other requests write are not ready; undefined when it has joined none so far. */
  joinsPending(batch: number): number | undefined {
    return this.#actor.getSnapshot().context.joinsPending[batch];
  }

  /** When the request expires unless it is ready, on the agent's clock. */
  get deadlineMs(): number {
    return this.#startedMs + this.task.timeoutMs;
  }

  /** Whether the end is known here and not recorded yet. */
  get isDeciding(): boolean {
    return this.#actor.getSnapshot().matches('deciding');
  }

  /** Forgets the request without an announcement: its first batch was refused, or the agent closes. */
  discard(): void {
    this.#link?.close();
    this.#actor.stop();
  }

  row(): RequestRow {
    const { value, context } = this.#actor.getSnapshot();
    const { request, epoch, batches, chunks, failure, rank } = context;
    // While it decides, the end may still become another one.
    const end = (value === 'deciding' ? null : context.end) ?? undefined;
    return defined({
      request,
      epoch,
      side: 'receiver' as const,
      rank: rank ?? undefined,
      missingRanks: this.task.groups?.missing(request),
      state: stateName(value),
      ageMs: this.#ageMs,
      batches,
      chunks,
      end,
      reason: end === undefined ? undefined : (failure ?? undefined),
    });
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async decide({ end, failure }: IngestContext): Promise<void> {
    if (this.#link !== undefined) {
      if (this.#link.isOver) tell(this.#actor, { type: 'end.agreed' });
      else this.#link.say(end === null || end === 'ready' ? 'complete' : end, failure);
      return;
    }
    tell(this.#actor, await this.askSender());
  }

  /** Asks the sender to agree to the end that this agent is going to announce. */
  askSender(): Promise<Agreement> {
    const { clock, counters, options } = this.#env;
    counters.add('ends_confirmed');
    // A watched sender answers or is lost in the end. One that is not watched gets as long as its heartbeats would.
    const silenceMs = SILENT_HEARTBEATS_MAX * options.heartbeatMs;
    const deadlineMs = this.#listener.senderIsWatched() ? Number.POSITIVE_INFINITY : clock.now() + silenceMs;
    const isLost = () => this.#listener.senderIsLost();
    return confirmEnd(this.#env, this.task.sender, this.task.holder, { deadlineMs, isLost });
  }

  reportRank(state: 'held' | 'running' | 'complete'): void {
    this.#link?.say(state);
  }

  recordEnd({ end, failure }: IngestContext): void {
    this.#listener.ended(this, end ?? 'failed', failure);
    this.#resolveDecided();
  }

  announce(context: IngestContext): void {
    // The end of a request over several ranks is announced by their lead, or, when that is lost, by the sender of rank 0.
    const mustPublish = this.#link === undefined && !context.announcedElsewhere;
    const mustNotify = this.#link !== undefined || !context.announcedElsewhere;
    this.#announce(context.end ?? 'failed', context.failure, { mustPublish, mustNotify });
  }

  notifyJoined(batch: number): void {
    const { holder } = this.task;
    notifyPeer(this.#env, this.#sender, 'joined', { request: holder.request, epoch: holder.epoch, batch });
  }

  reportLeasesEnded(cause: 'released' | 'expired'): void {
    this.#env.counters.add(`leases_${cause}`);
    if (cause === 'expired') {
      const message = 'leases expired: the decode engine neither released nor renewed them';
      this.#env.logger.warn(requestFields(this.task.holder), message);
    }
  }

  ignored(event: string): void {
    this.#env.logger.debug({ request: this.task.holder.request, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  get #ageMs(): number {
    return Math.round(this.#env.clock.now() - this.#startedMs);
  }

  /** Of all chunks of the request, also when it ends before its batches have come or have got pages. */
  get #counts(): Pick<TerminalEvent, 'chunks' | 'deduplicated' | 'joined' | 'bytes'> {
    const { deduplicated, joined, bytes } = this.#actor.getSnapshot().context;
    return { chunks: this.task.totalChunks, deduplicated, joined, bytes };
  }

  /** Only the leases end a request that is ready. Before, the delays of its machine do. */
  get #leaseEndsMs(): number | undefined {
    return this.#actor.getSnapshot().matches('ready') ? this.#listener.leaseEndsMs() : undefined;
  }

  get #sender(): { agent: string; epoch: string } {
    return { agent: this.task.sender, epoch: this.task.holder.epoch };
  }

  #openLink(ranks: Ranks): RankLink {
    const { options, epoch } = this.#env;
    const { holder, groups, links } = this.task;
    const from = { agent: options.agent, epoch };
    const task = { holder, ranks, deadlineMs: this.deadlineMs, from, groups };
    return links.open(task, {
      counts: () => this.#counts,
      turn: (epochs) => this.#listener.turn(epochs),
      verdict: ({ end, failure }) => tell(this.#actor, { type: 'end.announced', end, failure }),
      lost: (failure) => {
        if (this.isDeciding) tell(this.#actor, { type: 'end.refused', failure });
        else this.end('failed', failure);
      },
    });
  }

  /** `mustPublish`: no other agent announces the end. `mustNotify`: the sender does not know the end yet. */
  #announce(
    end: End,
    failure: Failure | null,
    { mustPublish, mustNotify }: { readonly mustPublish: boolean; readonly mustNotify: boolean },
  ): void {
    if (this.#announced) return;
    this.#announced = true;
    const { options, logger, counters } = this.#env;
    const { request, epoch } = this.task.holder;
    const ended = defined({ request, epoch, end, reason: failure ?? undefined });
    const counts = this.#counts;
    if (mustPublish) {
      announceEnd(this.#env, {
        v: PROTOCOL_VERSION,
        ...ended,
        sender: this.task.sender,
        receiver: options.agent,
        receiverEpoch: this.#env.epoch,
        ...counts,
        ageMs: this.#ageMs,
      });
    }
    if (!mustNotify) return;
    notifyPeer(this.#env, this.#sender, 'ended', ended);
    counters.add(`requests_received_${end}`);
    const { reason } = ended;
    const log = { ...requestFields(this.task.holder), end, reason, ...counts };
    logger[endLevel(end, reason?.code)](log, 'request ended');
  }

  /** The machine threw. Only this request ends, as failed. */
  #crashed(error: unknown): void {
    const { request } = this.task.holder;
    this.#env.supervisor.crashed('ingest', { request }, error);
    const failure: Failure = { code: 'internal', message: `request ${request} failed: ${String(error)}` };
    this.#listener.ended(this, 'failed', failure);
    this.#resolveDecided();
    const mustPublish = this.#link === undefined;
    // The lead announces the end of all ranks. Its own sender must not learn an end that is not announced yet.
    const mustNotify = this.task.groups === undefined;
    this.#announce('failed', failure, { mustPublish, mustNotify });
    this.#link?.say('failed', failure);
    this.#listener.gone(this);
  }
}
