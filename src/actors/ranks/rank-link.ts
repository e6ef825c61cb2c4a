/**
 * The link of one rank to the agent that leads the ranks of its request. It runs one rank machine (`machines/rank.ts`): it
 * sends the reports, and passes on what the lead answers.
 */
import { type Actor, createActor } from 'xstate';
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import { type RankEffects, type RankStatus, rankMachine } from '../../../machines/rank.js';
import type { Body } from '../../protocol/body.js';
import { ReplyError, toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { PeerReply, RankReport } from '../../protocol/peer-messages.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Watch } from '../env/living.js';
import { aboutRank } from '../observing/journal.js';
import { findProcess } from '../peers/find-process.js';
import { callPeer, insist, type Peer } from '../peers/peer-call.js';
import { Owners, tell } from '../running/owners.js';
import type { Verdict } from './verdict.js';

/** Takes the report of a rank. The answer carries the end of the whole request, or the turn of the rank. */
export interface RankReports {
  report(report: RankReport, from: string): Body<PeerReply<'report'>>;
}

export interface RankLinkTask {
  readonly holder: HolderId;
  readonly ranks: Ranks;
  /** When the rank must have ended, on the agent's clock. */
  readonly deadlineMs: number;
  /** The receiver of this rank. Undefined when the sender reports. */
  readonly from: RankReport['from'];
  /** The rank that appealed, when the sender reports a rank 0 that was never put. */
  readonly appealed?: RankReport['appealed'];
  /** Where the rank reports when this agent leads the ranks itself. */
  readonly groups: RankReports | undefined;
  /** The process whose end the rank has promised to follow. Undefined when that is the lead itself, or when it has promised nothing. */
  readonly promisedTo?: () => string | undefined;
}

export interface RankLinkListener {
  counts(): Pick<RankReport, 'chunks' | 'deduplicated' | 'joined' | 'bytes'>;
  /** It is the turn of the ranks of this agent whose senders have these epochs. */
  turn(epochs: readonly string[]): void;
  /** The end of the whole request. The last call of the link. */
  verdict(verdict: Verdict): void;
  /** The lead is gone, or refuses the rank: there will be no verdict. The last call of the link. `proven`: the lead announces none. */
  lost(failure: Failure, proven: boolean): void;
  closed(): void;
}

/** How long a rank without a lead looks for another process that has its name, at least: it finds one, and reports. */
const SEARCH_HEARTBEATS = 2 * SILENT_HEARTBEATS_MAX;

const owners = new Owners<RankLink, RankEffects>();
const logic = owners.provide(rankMachine, {
  report: (owner) => owner.report(),
  takeTurn: (owner, _, { epochs }) => owner.takeTurn(epochs),
  deliver: (owner, _, verdict) => owner.deliver(verdict),
  appeal: (owner, { context }) => owner.appeal(context.loss),
  giveUp: (owner, _, { failure, proven }) => owner.giveUp(failure, proven),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class RankLink {
  readonly #env: AgentEnv;
  readonly #task: RankLinkTask;
  readonly #listener: RankLinkListener;
  readonly #actor: Actor<typeof rankMachine>;
  #resolveSettled: () => void = () => undefined;
  /** Resolves when the verdict has come, or the lead was given up. */
  readonly settled = new Promise<void>((resolve) => {
    this.#resolveSettled = resolve;
  });
  #lead: Peer | undefined;
  #watch: Watch | undefined;
  /** The log has a report that the lead did not take. */
  #isReported = false;

  /** The link sends nothing before the first `say`. */
  constructor(env: AgentEnv, task: RankLinkTask, listener: RankLinkListener) {
    this.#env = env;
    this.#task = task;
    this.#listener = listener;
    const { holder, ranks, from } = task;
    const appeals = ranks.rank > 0;
    const { heartbeatMs, inquireIntervalMs } = env.options;
    const times = {
      timeoutMs: this.#timeLeftMs,
      intervalMs: inquireIntervalMs,
      searchMs: SEARCH_HEARTBEATS * heartbeatMs,
    };
    const input = { ...times, appeals };
    const side = from === undefined ? 'sender' : 'receiver';
    const id = `rank ${side} ${holder.epoch}/${holder.request}`;
    this.#actor = createActor(logic, { id, input, clock: env.clock });
    this.#actor.subscribe({ complete: () => this.#closed() });
    owners.start(this.#actor, this, {
      task: { about: { ...holder, peer: this.#leadName, ...aboutRank(ranks) } },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
  }

  /** True while the rank waits for the decision of the lead. */
  get isFollowing(): boolean {
    return this.#actor.getSnapshot().matches({ live: 'following' });
  }

  /** True when the verdict has come, or the lead was given up. */
  get isOver(): boolean {
    const snapshot = this.#actor.getSnapshot();
    return snapshot.status !== 'active' || snapshot.matches({ live: 'alone' });
  }

  /** Reports this state at once, and then repeatedly. */
  say(state: RankStatus['state'], reason: Failure | null = null): void {
    tell(this.#actor, { type: 'rank.changed', state, reason });
  }

  /** The rank has confirmed to the lead that it is complete. */
  prepared(): void {
    tell(this.#actor, { type: 'rank.prepared' });
  }

  /** The lead has sent the verdict. */
  told({ end, failure }: Verdict): void {
    tell(this.#actor, { type: 'end.decided', end, failure });
  }

  /** Stops the link: no more reports, no more calls of the listener but `closed`. */
  close(): void {
    tell(this.#actor, { type: 'rank.close' });
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async report(): Promise<void> {
    try {
      const { end, reason, turn } = await this.#ask();
      if (end !== undefined) this.told({ end, failure: reason ?? null });
      else if (turn !== undefined) tell(this.#actor, { type: 'turn.given', epochs: turn });
    } catch (error) {
      this.#unanswered(error);
    }
    tell(this.#actor, { type: 'report.ended' });
  }

  takeTurn(epochs: readonly string[]): void {
    this.#listener.turn(epochs);
  }

  deliver(verdict: Verdict): void {
    this.#listener.verdict(verdict);
  }

  async appeal(loss: Failure | null): Promise<void> {
    const { request } = this.#task.holder;
    const reason = loss ?? { code: 'internal', message: 'the lead was given up without a reason' };
    try {
      const { end, reason: why } = await this.#askSecond(reason);
      if (end !== undefined) this.told({ end, failure: why ?? null });
    } catch (error) {
      const log = { request, code: toFailure(error).code, err: error };
      this.#env.logger.warn(log, 'neither agent of rank 0 takes care of the end of the request');
    }
    tell(this.#actor, { type: 'appeal.ended' });
  }

  giveUp(failure: Failure, proven: boolean): void {
    this.#listener.lost(failure, proven);
    this.#resolveSettled();
  }

  ignored(event: string): void {
    this.#env.logger.debug({ request: this.#task.holder.request, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  get #leadName(): string {
    return this.#task.ranks.members[0]?.receiver as string;
  }

  get #timeLeftMs(): number {
    return Math.max(1, Math.floor(this.#task.deadlineMs - this.#env.clock.now()));
  }

  /** The lead is lost when it cannot be found, or when its process is declared dead. Any other silence is repeated. */
  #unanswered(error: unknown): void {
    const { code, message } = toFailure(error);
    const { request } = this.#task.holder;
    // It reports until its deadline, and says so once.
    const level = this.#isReported ? 'debug' : 'warn';
    this.#isReported = true;
    this.#env.logger[level]({ request, code, err: error }, 'the agent that leads the ranks does not take the report');
    const lead = `agent ${this.#leadName}, which leads the ranks of request ${request}`;
    if (error instanceof ReplyError || this.#task.groups !== undefined) {
      const failure = { code, message: `${lead}, refuses this rank: ${message}` };
      tell(this.#actor, { type: 'lead.refused', failure });
    } else if (this.#lead === undefined) {
      this.#lost(message, false);
    }
  }

  #lost(why: string, isProven: boolean): void {
    const promisedTo = this.#task.promisedTo?.();
    // Another process serves the name of the one that the rank has promised to follow.
    const proven =
      isProven || (promisedTo !== undefined && this.#lead !== undefined && this.#lead.epoch !== promisedTo);
    const lead = `agent ${this.#leadName}, which leads the ranks of request ${this.#task.holder.request}`;
    tell(this.#actor, {
      type: 'lead.lost',
      failure: { code: 'receiver_lost', message: `${lead}, is gone: ${why}` },
      proven,
    });
  }

  async #ask(): Promise<Body<PeerReply<'report'>>> {
    const { groups } = this.#task;
    const { agent } = this.#env.options;
    if (groups !== undefined) return groups.report({ v: PROTOCOL_VERSION, ...this.#body() }, agent);
    if (this.isOver && this.#lead !== undefined && this.#watch?.loss !== undefined) await this.#findNext(this.#lead);
    this.#lead ??= await this.#find();
    const isLost = () => this.#isClosed || this.#watch?.loss !== undefined;
    const insistence = { deadlineMs: Number.POSITIVE_INFINITY, isLost };
    const reply = await callPeer(this.#env, this.#lead, 'report', () => this.#body(), insistence);
    this.#watch?.heard();
    return reply;
  }

  /** The lead is gone: the sender of rank 0 is the second that can announce the end. */
  async #askSecond(reason: Failure): Promise<PeerReply<'appeal'>> {
    const { holder, ranks } = this.#task;
    const agent = ranks.members[0]?.sender as string;
    const { epoch } = await findProcess(this.#env, agent, () => this.#requireOpen());
    const watch = this.#env.living.watch({ agent, epoch }, () => undefined);
    try {
      const { clock, options } = this.#env;
      const deadlineMs = Math.max(clock.now(), this.#task.deadlineMs) + SILENT_HEARTBEATS_MAX * options.heartbeatMs;
      const insistence = { deadlineMs, isLost: () => this.#isClosed || watch.loss !== undefined };
      const body = () => ({ ...holder, ranks, reason, timeoutMs: this.#timeLeftMs });
      return await callPeer(this.#env, { agent, epoch, side: 'sender' }, 'appeal', body, insistence);
    } finally {
      watch.close();
    }
  }

  /** A message that is repeated reports the newest state. */
  #body(): Omit<RankReport, 'v'> {
    const { holder, ranks, from, appealed } = this.#task;
    const { state, reason } = this.#actor.getSnapshot().context.status;
    const counts = this.#listener.counts();
    const timeoutMs = this.#timeLeftMs;
    const about = defined({ reason: reason ?? undefined, appealed });
    return { ...holder, ranks, from, state, ...about, ...counts, timeoutMs };
  }

  /** Finds the process that leads the ranks, and watches it from now on. */
  async #find(): Promise<Peer> {
    const agent = this.#leadName;
    const { epoch } = await findProcess(this.#env, agent, () => this.#requireOpen());
    const lead = { agent, epoch, side: 'receiver' as const };
    if (this.#lead === undefined && !this.#isClosed) this.#watchLead(lead);
    return this.#lead ?? lead;
  }

  /**
   * The lead was declared dead, and the rank has given it up. From now on, the link reports to the process that has its name:
   * the same one, which was only silent, or another one. Another one is found only when the first is proven dead. So no two
   * processes that live lead the request.
   */
  async #findNext({ agent, epoch, side }: Peer): Promise<void> {
    const { clock, living, options } = this.#env;
    const what = `agent ${agent} (epoch ${epoch}) is gone, and no other process has its name`;
    const deadlineMs = clock.now() + SILENT_HEARTBEATS_MAX * options.heartbeatMs;
    const answer = await insist(
      this.#env,
      { what, deadlineMs, check: () => this.#requireOpen() },
      async ({ forAttemptMs }) => {
        const answered = await living.ask({ agent, epoch }, forAttemptMs);
        if (answered === 'silent') throw new KvferryError('no_responders', what);
        return answered;
      },
    );
    this.#requireOpen();
    this.#lead = { agent, epoch: answer === 'alive' ? epoch : answer.replacedBy, side };
    this.#watchLead(this.#lead);
  }

  #watchLead({ agent, epoch }: Peer): void {
    this.#watch?.close();
    const { living } = this.#env;
    this.#watch = living.watch({ agent, epoch }, ({ reason, isProven }) => this.#lost(reason.message, isProven));
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new KvferryError('closed', `the link to agent ${this.#leadName} is closed`);
  }

  get #isClosed(): boolean {
    return this.#actor.getSnapshot().status !== 'active';
  }

  #closed(): void {
    this.#watch?.close();
    this.#listener.closed();
    this.#resolveSettled();
  }

  /** The machine threw. Only this rank ends, without its lead. */
  #crashed(error: unknown): void {
    const { request } = this.#task.holder;
    this.#env.supervisor.crashed('rank', { request }, error);
    this.#listener.lost({ code: 'internal', message: `request ${request} failed: ${String(error)}` }, false);
    this.#closed();
  }
}
