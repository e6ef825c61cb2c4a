/** Runs one group machine: it takes the reports of the ranks of one request, gives them their turns, and announces its end. */
import { type Actor, createActor } from 'xstate';
import { type GroupContext, type GroupEffects, type GroupEvent, groupMachine } from '../../../machines/group.js';
import { ReplyError, toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { PeerRequest, RankReport } from '../../protocol/peer-messages.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Watch } from '../env/living.js';
import { announceEnd } from '../env/publish-event.js';
import { endLevel } from '../observing/log-level.js';
import type { Agreement } from '../peers/confirm-end.js';
import { callPeer, type PeerAddress } from '../peers/peer-call.js';
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
  /** For the ranks whose receiver is this agent. */
  readonly own: OwnRanks;
  ended(group: GroupActor): void;
  /** The end is announced, and every rank that can be reached has received it. The last call of the group. */
  settled(group: GroupActor): void;
}

/** What a lead asks of the receiver of a rank. The two may be the same agent. */
export interface OwnRanks {
  /** Admits these ranks of one request together. Throws when that cannot be. */
  admit(holders: readonly HolderId[]): void;
  /** Throws unless the rank is complete and waits for the end. */
  prepare(holder: HolderId): void;
  verdict(holder: HolderId, verdict: Verdict): void;
}

/** The last report of a rank. */
interface LastReport {
  readonly epoch: string;
  /** The receiver to which the verdict goes. */
  readonly from: RankReport['from'];
  readonly counts: Pick<RankReport, 'chunks' | 'deduplicated' | 'joined' | 'bytes'>;
}

type RankEvent = Extract<GroupEvent, { rank: number }>['type'];

/** What the lead learns from the state that a rank reports. */
const progress = {
  held: 'rank.came',
  running: 'rank.admitted',
  complete: 'rank.completed',
} as const satisfies Partial<Record<RankReport['state'], RankEvent>>;

const owners = new Owners<GroupActor, GroupEffects>();
const logic = owners.provide(groupMachine, {
  giveTurn: (owner, _, { receiver }) => owner.giveTurn(receiver),
  prepare: (owner) => owner.prepare(),
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
  /** The receivers of the ranks, by rank. */
  readonly #watches = new Map<number, Watch>();
  #crashedWith: Failure | undefined;

  constructor(env: AgentEnv, task: GroupTask, listener: GroupListener) {
    this.task = task;
    this.#env = env;
    this.#listener = listener;
    this.#startedMs = env.clock.now();
    const { request, epoch, members, timeoutMs } = task;
    const input = { request, receivers: members.map(({ receiver }) => receiver), timeoutMs };
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

  /** When the request expires unless it is ready, on the agent's clock. */
  get deadlineMs(): number {
    return this.#startedMs + this.task.timeoutMs;
  }

  /** Ranks that are not complete yet. */
  get missing(): number[] {
    const { ranks } = this.#actor.getSnapshot().context;
    return ranks.flatMap((state, rank) => (state === 'complete' ? [] : [rank]));
  }

  /** Epoch of the sender under which a rank has reported. */
  epochOf(rank: number): string | undefined {
    return this.#reports.get(rank)?.epoch;
  }

  /** Whether a rank has reported under this epoch of its sender. */
  has(epoch: string): boolean {
    return [...this.#reports.values()].some((report) => report.epoch === epoch);
  }

  /** The ranks that have reported. */
  get holders(): HolderId[] {
    return [...this.#reports.values()].map(({ epoch }) => ({ request: this.task.request, epoch }));
  }

  /** Epochs of all ranks at the receiver of this rank, if it is their turn to be admitted. */
  turnFor(rank: number): string[] | undefined {
    const receiver = this.task.members[rank]?.receiver;
    return receiver === this.#actor.getSnapshot().context.turn ? this.#epochsAt(receiver as string) : undefined;
  }

  /** Takes a report. Its rank has reported before under the same epoch, or reports for the first time. */
  report({ epoch, ranks, from, state, reason, chunks, deduplicated, joined, bytes }: RankReport): void {
    const { rank } = ranks;
    const receiver = from ?? this.#reports.get(rank)?.from;
    if (from !== undefined) this.#watch(rank, from);
    this.#reports.set(rank, { epoch, from: receiver, counts: { chunks, deduplicated, joined, bytes } });
    if (state === 'held' || state === 'running' || state === 'complete') {
      tell(this.#actor, { type: progress[state], rank });
      return;
    }
    this.#failed(rank, state, reason ?? { code: 'internal', message: 'no reason was given' });
  }

  end(end: 'failed' | 'cancelled', failure: Failure): void {
    tell(this.#actor, { type: 'group.end', end, failure });
  }

  /** Throws when the request has ended, or this agent announces nothing any more. */
  requireOpen(): void {
    if (this.#actor.getSnapshot().status === 'active') return;
    throw new KvferryError('closed', `request ${this.task.request} has ended`);
  }

  /** Announces nothing any more. */
  close(): void {
    this.#actor.stop();
    for (const watch of this.#watches.values()) watch.close();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  /** The rank learns the same from the answer to its next report. */
  async giveTurn(receiver: string): Promise<void> {
    const { request } = this.task;
    const epochs = this.#epochsAt(receiver);
    const [from] = this.#reportsAt(receiver).flatMap((report) => report.from ?? []);
    if (from === undefined) return;
    try {
      if (this.#isOwn(from)) this.#listener.own.admit(epochs.map((epoch) => ({ request, epoch })));
      else await this.#ask(from, 'admit', { request, epochs });
    } catch (error) {
      this.#env.logger.info(
        { request, peer: receiver, code: toFailure(error).code },
        'the turn did not reach the ranks of an agent, they will ask',
      );
    }
  }

  async prepare(): Promise<void> {
    const answers = await Promise.all([...this.#reports].map(([rank, report]) => this.#prepareRank(rank, report)));
    if (answers.every((isPrepared) => isPrepared)) tell(this.#actor, { type: 'ranks.prepared' });
  }

  async decide(): Promise<void> {
    const epoch = this.epochOf(0);
    const holder = epoch === undefined ? undefined : { request: this.task.request, epoch };
    const agreement = await this.#listener.askSender(this, holder);
    tell(this.#actor, agreement.type === 'end.agreed' ? { type: 'end.certain' } : agreement);
  }

  async tellRanks({ end, failure }: GroupContext): Promise<void> {
    if (end === null) throw new Error(`request ${this.task.request} has no end to send to its ranks`);
    const others = [...this.#reports.values()].filter(({ from }) => !this.#isOwn(from));
    await Promise.all(others.map((report) => this.#tellRank(report, { end, failure })));
    tell(this.#actor, { type: 'ranks.told' });
    // `ready` is announced after that.
    if (end !== 'ready') this.#listener.settled(this);
  }

  announce(context: GroupContext): void {
    const { end, failure, announcedBySender } = context;
    if (!announcedBySender) this.#publish(end ?? 'failed', failure);
    this.#tellOwn({ end: end ?? 'failed', failure });
    this.#ended();
    if (end === 'ready') this.#listener.settled(this);
  }

  ignored(event: string): void {
    this.#env.logger.debug({ request: this.task.request, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** True when the rank is complete and waits for the end. Otherwise the rank has failed. */
  async #prepareRank(rank: number, { epoch, from }: LastReport): Promise<boolean> {
    const holder = { request: this.task.request, epoch };
    try {
      if (from === undefined) throw new KvferryError('receiver_lost', 'its decode agent is gone');
      if (this.#isOwn(from)) this.#listener.own.prepare(holder);
      else await this.#ask(from, 'prepare', holder);
      return true;
    } catch (error) {
      this.#failed(rank, 'failed', rankFailure(error));
      return false;
    }
  }

  /** The ranks of this agent, in the turn of the announcement: their senders must not learn an end that is not announced. */
  #tellOwn(verdict: Verdict): void {
    const { request } = this.task;
    for (const { epoch, from } of this.#reports.values()) {
      if (this.#isOwn(from)) this.#listener.own.verdict({ request, epoch }, verdict);
    }
  }

  #isOwn(from: LastReport['from']): boolean {
    return from?.agent === this.#env.options.agent;
  }

  async #tellRank({ epoch, from }: LastReport, { end, failure }: Verdict): Promise<void> {
    if (from === undefined) return;
    const { request } = this.task;
    const body = { request, epoch, end, ...defined({ reason: failure ?? undefined }) };
    try {
      await this.#ask(from, 'verdict', body);
    } catch (error) {
      // A rank that is alive asks for the verdict.
      this.#env.logger.warn(
        { request, peer: from.agent, code: toFailure(error).code },
        'verdict did not reach a rank, it will ask',
      );
    }
  }

  /** Asks the receiver of a rank, another agent. */
  async #ask<O extends 'admit' | 'prepare' | 'verdict'>(
    to: PeerAddress,
    operation: O,
    body: Omit<PeerRequest<O>, 'v'>,
  ): Promise<void> {
    const { options, clock, living } = this.#env;
    // As long as this agent remembers the end, a rank that lives can ask for it.
    const deadlineMs = clock.now() + options.tombstoneMs;
    const watch = living.watch(to, () => undefined);
    const insistence = { deadlineMs, isLost: () => watch.loss !== undefined };
    try {
      await callPeer(this.#env, { ...to, side: 'receiver' }, operation, () => body, insistence);
    } finally {
      watch.close();
    }
  }

  /** A rank fails when the process that receives it is declared dead. */
  #watch(rank: number, { agent, epoch }: PeerAddress): void {
    const known = this.#watches.get(rank);
    if (known !== undefined || agent === this.#env.options.agent) {
      known?.heard();
      return;
    }
    const watch = this.#env.living.watch({ agent, epoch }, ({ reason }) => {
      const message = `agent ${agent} (epoch ${epoch}) is lost: ${reason.message}`;
      this.#failed(rank, 'failed', { code: 'receiver_lost', message });
    });
    this.#watches.set(rank, watch);
  }

  #ended(): void {
    for (const watch of this.#watches.values()) watch.close();
    this.#listener.ended(this);
  }

  #failed(rank: number, end: 'failed' | 'cancelled' | 'expired', why: Failure): void {
    const failure = { ...why, message: `rank ${rank}, ${this.#nameOf(rank)}: ${why.message}` };
    tell(this.#actor, { type: 'rank.failed', rank, end, failure });
  }

  #reportsAt(receiver: string): LastReport[] {
    return [...this.#reports].flatMap(([rank, report]) =>
      this.task.members[rank]?.receiver === receiver ? [report] : [],
    );
  }

  #epochsAt(receiver: string): string[] {
    return this.#reportsAt(receiver).map(({ epoch }) => epoch);
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
      receiverEpoch: this.#env.epoch,
      chunks: sum('chunks'),
      deduplicated: sum('deduplicated'),
      joined: sum('joined'),
      bytes: sum('bytes'),
      ranks,
      lead: this.#env.options.agent,
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
    const verdict: Verdict = { end: 'failed', failure };
    this.#tellOwn(verdict);
    for (const report of this.#reports.values()) if (!this.#isOwn(report.from)) void this.#tellRank(report, verdict);
    this.#ended();
    this.#listener.settled(this);
  }
}

/** Why a rank failed that did not confirm that it is complete. */
function rankFailure(error: unknown): Failure {
  const { code, message } = toFailure(error);
  if (error instanceof ReplyError || code === 'receiver_lost') return { code, message };
  return { code: 'receiver_lost', message: `it did not confirm that it is complete: ${message}` };
}
