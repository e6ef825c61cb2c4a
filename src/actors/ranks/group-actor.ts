/** Runs one group machine: it takes the reports of the ranks of one request, decides its end, and announces it. */
import { type Actor, createActor } from 'xstate';
import { type GroupContext, type GroupEffects, groupMachine } from '../../../machines/group.js';
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import { toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { RankReport } from '../../protocol/peer-messages.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { announceEnd } from '../env/publish-event.js';
import { endLevel } from '../observing/log-level.js';
import type { Agreement } from '../peers/confirm-end.js';
import { callPeer } from '../peers/peer-call.js';
import { Owners, tell } from '../running/owners.js';
import type { Verdict } from './verdict.js';

export interface GroupTask {
  readonly request: string;
  /** Epoch of the rank that reported first. */
  readonly epoch: string;
  readonly members: Ranks['members'];
  readonly timeoutMs: number;
}

export interface GroupListener {
  /** Asks the sender of rank 0 to agree to the end. `holder` is undefined when rank 0 has never reported. */
  askSender(group: GroupActor, holder: HolderId | undefined): Promise<Agreement>;
  /** Sends the verdict to a rank whose receiver is this agent. */
  tell(holder: HolderId, verdict: Verdict): void;
  ended(group: GroupActor): void;
}

/** The last report of a rank. */
interface LastReport {
  readonly epoch: string;
  /** The receiver to which the verdict goes. */
  readonly from: RankReport['from'];
  readonly counts: Pick<RankReport, 'chunks' | 'deduplicated' | 'joined' | 'bytes'>;
  /** Absences of this agent before the report. */
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
  readonly #reports = new Map<number, LastReport>();
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

  /** How the request ended, once the end is final. */
  get verdict(): Verdict | undefined {
    if (this.#crashedWith !== undefined) return { end: 'failed', failure: this.#crashedWith };
    const { value, context } = this.#actor.getSnapshot();
    if (context.end === null || typeof value !== 'string') return undefined;
    return { end: context.end, failure: context.failure };
  }

  /** Ranks that are not complete yet. */
  get missing(): number[] {
    const { complete } = this.#actor.getSnapshot().context;
    return this.task.members.map((_, rank) => rank).filter((rank) => !complete.includes(rank));
  }

  /** Epoch of the sender under which a rank has reported. */
  epochOf(rank: number): string | undefined {
    return this.#reports.get(rank)?.epoch;
  }

  /** The ranks that have reported. */
  get holders(): HolderId[] {
    return [...this.#reports.values()].map(({ epoch }) => ({ request: this.task.request, epoch }));
  }

  /** Takes a report. Its rank has reported before under the same epoch, or reports for the first time. */
  report({ epoch, ranks, from, state, reason, chunks, deduplicated, joined, bytes }: RankReport): void {
    const { rank } = ranks;
    const absences = this.#env.presence.absencesBefore;
    const receiver = from ?? this.#reports.get(rank)?.from;
    this.#reports.set(rank, { epoch, from: receiver, counts: { chunks, deduplicated, joined, bytes }, absences });
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
    const agreement = await this.#listener.askSender(this, holder);
    if (agreement.type !== 'end.agreed') {
      tell(this.#actor, agreement);
      return;
    }
    // A rank that reported before an absence of this agent may have declared it dead since, and given up.
    const { absences } = this.#env.presence;
    const ranks = [...this.#reports].flatMap(([rank, report]) => (report.absences === absences ? [] : [rank]));
    if (ranks.length > 0) tell(this.#actor, { type: 'ranks.doubted', ranks });
    tell(this.#actor, { type: 'end.certain' });
  }

  async tellRanks({ end, failure }: GroupContext): Promise<void> {
    if (end === null) throw new Error(`request ${this.task.request} has no end to send to its ranks`);
    await Promise.all([...this.#reports.values()].map((report) => this.#tellRank(report, { end, failure })));
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

  async #tellRank({ epoch, from }: LastReport, { end, failure }: Verdict): Promise<void> {
    const { options, clock, logger } = this.#env;
    const { request } = this.task;
    if (from === undefined) return;
    if (from.agent === options.agent) {
      this.#listener.tell({ request, epoch }, { end, failure });
      return;
    }
    const peer = { ...from, side: 'receiver' as const };
    const deadlineMs = clock.now() + SILENT_HEARTBEATS_MAX * options.heartbeatMs;
    const body = { request, epoch, end, ...defined({ reason: failure ?? undefined }) };
    try {
      await callPeer(this.#env, peer, 'verdict', () => body, { deadlineMs, isLost: () => false });
    } catch (error) {
      // A rank that is alive asks for the verdict.
      logger.warn(
        { request, peer: from.agent, code: toFailure(error).code },
        'verdict did not reach a rank, it will ask',
      );
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
      [...this.#reports.values()].reduce((total, { counts }) => total + counts[count], 0);
    const ranks = [...this.#reports]
      .sort(([a], [b]) => a - b)
      .map(([rank, { epoch }]) => ({ rank, epoch, ...(members[rank] as Ranks['members'][number]) }));
    const [first] = ranks;
    if (first === undefined) throw new KvferryError('internal', `no rank of request ${request} has ever reported`);
    const reason = defined({ reason: failure ?? undefined });
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
    logger[endLevel(end, failure?.code)](log, 'request over several ranks ended');
  }

  /** The machine threw: the request ends on all its ranks. */
  #crashed(error: unknown): void {
    const { request } = this.task;
    this.#env.supervisor.crashed('group', { request }, error);
    if (this.#crashedWith !== undefined) return;
    const failure: Failure = { code: 'internal', message: `request ${request} failed: ${String(error)}` };
    this.#crashedWith = failure;
    this.#publish('failed', failure);
    for (const report of this.#reports.values()) void this.#tellRank(report, { end: 'failed', failure });
    this.#listener.ended(this);
  }
}
