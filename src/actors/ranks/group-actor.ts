/** Runs one group machine: what the ranks of one request say, what their lead decides, and the announcement of the end. */
import { type Actor, createActor } from 'xstate';
import { type GroupContext, type GroupEffects, groupMachine } from '../../../machines/group.js';
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import { toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { RankReport } from '../../protocol/peer-messages.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { announceEnd } from '../env/publish-event.js';
import { callPeer } from '../peers/peer-call.js';
import { Owners, tell } from '../running/owners.js';
import type { Verdict } from './verdict.js';

export interface GroupTask {
  readonly request: string;
  /** That of the rank that was heard of first. */
  readonly epoch: string;
  readonly members: Ranks['members'];
  readonly timeoutMs: number;
}

export interface GroupListener {
  /** An end that the sender of rank 0 has announced, if it has; `undefined` for `holder`: rank 0 was never heard of. */
  announcedBySender(group: GroupActor, holder: HolderId | undefined): Promise<Verdict | undefined>;
  /** Tell a rank whose receiver is this agent. */
  tell(holder: HolderId, verdict: Verdict): void;
  ended(group: GroupActor): void;
}

/** What a rank has said last. */
interface Voice {
  readonly epoch: string;
  /** Who is told the end of it. */
  readonly from: RankReport['from'];
  readonly counts: Pick<RankReport, 'chunks' | 'deduplicated' | 'joined' | 'bytes'>;
  /** It was heard after so many of our absences. */
  readonly absences: number;
}

const owners = new Owners<GroupActor, GroupEffects>();
const logic = owners.provide(groupMachine, {
  decide: (owner) => owner.decide(),
  tellRanks: (owner, { context }) => owner.tellRanks(context),
  announce: (owner, { context }) => owner.announce(context),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class GroupActor {
  readonly task: GroupTask;
  readonly #env: AgentEnv;
  readonly #listener: GroupListener;
  readonly #actor: Actor<typeof groupMachine>;
  readonly #startedMs: number;
  readonly #voices = new Map<number, Voice>();
  #crashedWith: Failure | undefined;

  constructor(env: AgentEnv, task: GroupTask, listener: GroupListener) {
    this.task = task;
    this.#env = env;
    this.#listener = listener;
    this.#startedMs = env.clock.now();
    const { request, epoch, members, timeoutMs } = task;
    const input = { request, size: members.length, timeoutMs };
    this.#actor = createActor(logic, { id: `group ${request}`, input, clock: env.clock });
    owners.start(this.#actor, this, {
      task: { about: { request, epoch } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  /** How the request ended, once that cannot change any more. */
  get verdict(): Verdict | undefined {
    if (this.#crashedWith !== undefined) return { end: 'failed', failure: this.#crashedWith };
    const { value, context } = this.#actor.getSnapshot();
    if (context.end === null || typeof value !== 'string') return undefined;
    return { end: context.end, failure: context.failure };
  }

  /** Ranks that are not complete. */
  get missing(): number[] {
    const { complete } = this.#actor.getSnapshot().context;
    return this.task.members.map((_, rank) => rank).filter((rank) => !complete.includes(rank));
  }

  /** The epoch under which a rank has come. */
  epochOf(rank: number): string | undefined {
    return this.#voices.get(rank)?.epoch;
  }

  /** Those ranks that have come. */
  get holders(): HolderId[] {
    return [...this.#voices.values()].map(({ epoch }) => ({ request: this.task.request, epoch }));
  }

  /** The rank of the report has come before under the same epoch, or comes for the first time. */
  report({ epoch, ranks, from, state, reason, chunks, deduplicated, joined, bytes }: RankReport): void {
    const { rank } = ranks;
    const absences = this.#env.presence.absencesBefore;
    const receiver = from ?? this.#voices.get(rank)?.from;
    this.#voices.set(rank, { epoch, from: receiver, counts: { chunks, deduplicated, joined, bytes }, absences });
    if (state === 'running') return;
    if (state === 'complete') {
      tell(this.#actor, { type: 'rank.completed', rank });
      return;
    }
    const why = reason ?? { code: 'internal', message: 'no reason was given' };
    const failure = { ...why, message: `rank ${rank}, ${this.#nameOf(rank)}: ${why.message}` };
    tell(this.#actor, { type: 'rank.failed', rank, end: state, failure });
  }

  end(end: 'failed' | 'cancelled', failure: Failure): void {
    tell(this.#actor, { type: 'group.end', end, failure });
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async decide(): Promise<void> {
    const epoch = this.epochOf(0);
    const holder = epoch === undefined ? undefined : { request: this.task.request, epoch };
    const announced = await this.#listener.announcedBySender(this, holder);
    if (announced !== undefined) {
      tell(this.#actor, { type: 'end.announced', ...announced });
      return;
    }
    // Whoever spoke before an absence of ours may have held us for lost since, and given up.
    const { absences } = this.#env.presence;
    const ranks = [...this.#voices].flatMap(([rank, voice]) => (voice.absences === absences ? [] : [rank]));
    if (ranks.length > 0) tell(this.#actor, { type: 'ranks.doubted', ranks });
    tell(this.#actor, { type: 'end.certain' });
  }

  async tellRanks({ end, failure }: GroupContext): Promise<void> {
    if (end === null) throw new Error(`the ranks of ${this.task.request} are told an end that there is not`);
    await Promise.all([...this.#voices.values()].map((voice) => this.#tellRank(voice, { end, failure })));
    tell(this.#actor, { type: 'ranks.told' });
  }

  announce(context: GroupContext): void {
    const { end, failure, announcedBySender } = context;
    if (!announcedBySender) this.#publish(end ?? 'failed', failure);
    this.#listener.ended(this);
  }

  ignored(event: string): void {
    this.#env.logger.debug({ request: this.task.request, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  async #tellRank({ epoch, from }: Voice, { end, failure }: Verdict): Promise<void> {
    const { options, clock, logger } = this.#env;
    const { request } = this.task;
    if (from === undefined) return;
    if (from.agent === options.agent) {
      this.#listener.tell({ request, epoch }, { end, failure });
      return;
    }
    const peer = { ...from, side: 'receiver' as const };
    const deadlineMs = clock.now() + SILENT_HEARTBEATS_MAX * options.heartbeatMs;
    const body = failure === null ? { request, epoch, end } : { request, epoch, end, reason: failure };
    try {
      await callPeer(this.#env, peer, 'verdict', () => body, { deadlineMs, isLost: () => false });
    } catch (error) {
      // If it lives, it asks.
      logger.warn({ request, peer: from.agent, code: toFailure(error).code }, 'a rank could not be told the end');
    }
  }

  #nameOf(rank: number): string {
    const member = this.task.members[rank];
    return `${member?.sender} to ${member?.receiver}`;
  }

  #publish(end: Verdict['end'], failure: Failure | null): void {
    const { clock, counters, logger } = this.#env;
    const { request, members } = this.task;
    const sum = (count: 'chunks' | 'deduplicated' | 'joined' | 'bytes') =>
      [...this.#voices.values()].reduce((total, { counts }) => total + counts[count], 0);
    const ranks = [...this.#voices]
      .sort(([a], [b]) => a - b)
      .map(([rank, { epoch }]) => ({ rank, epoch, ...(members[rank] as Ranks['members'][number]) }));
    const [first] = ranks;
    if (first === undefined) throw new KvferryError('internal', `no rank of request ${request} was ever heard of`);
    const reason = failure === null ? {} : { reason: failure };
    const event: TerminalEvent = {
      v: PROTOCOL_VERSION,
      request,
      epoch: first.epoch,
      end,
      ...reason,
      sender: first.sender,
      receiver: first.receiver,
      chunks: sum('chunks'),
      deduplicated: sum('deduplicated'),
      joined: sum('joined'),
      bytes: sum('bytes'),
      ranks,
      ageMs: Math.round(clock.now() - this.#startedMs),
    };
    announceEnd(this.#env, event);
    counters.add(`groups_${end}`);
    const log = { request, end, ...reason, ranks: members.length };
    if (end === 'ready') logger.debug(log, 'request over several ranks ended');
    else logger.warn(log, 'request over several ranks ended');
  }

  /** The machine threw: the request ends, on all its ranks. */
  #crashed(error: unknown): void {
    const { request } = this.task;
    this.#env.supervisor.crashed('group', { request }, error);
    if (this.#crashedWith !== undefined) return;
    const failure: Failure = { code: 'internal', message: `request ${request} failed: ${String(error)}` };
    this.#crashedWith = failure;
    this.#publish('failed', failure);
    for (const voice of this.#voices.values()) void this.#tellRank(voice, { end: 'failed', failure });
    this.#listener.ended(this);
  }
}
