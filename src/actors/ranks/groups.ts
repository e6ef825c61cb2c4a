/**
 * The requests over several ranks that this agent leads as the receiver of their rank 0 (P17). An ended request is
 * remembered for a while: a rank that reports late gets its end as the answer.
 */
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import type { Body } from '../../protocol/body.js';
import { toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import type { PeerReply, RankReport } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { HolderId } from '../../store/holder.js';
import { Tombstones } from '../../store/tombstones.js';
import type { AgentEnv } from '../env/agent-env.js';
import { type Agreement, confirmEnd } from '../peers/confirm-end.js';
import { findProcess } from '../peers/find-process.js';
import { requireOwner } from '../peers/require-owner.js';
import { GroupActor, type OwnRanks } from './group-actor.js';
import type { Verdict } from './verdict.js';

/** For each request that may be led, so many that have ended are remembered whole. Of others only the ends are. */
const ENDED_FOR_EACH_LIVE = 4;
/** And so many may wait for the agreement of a sender. */
const UNSETTLED_FOR_EACH_LIVE = 2;

export interface GroupsListener {
  /** Asks the sender of rank 0 to agree to the end. Undefined when the request of rank 0 is not in progress here. */
  askSender(holder: HolderId): Promise<Agreement> | undefined;
  /** For the ranks whose receiver is this agent. */
  readonly own: OwnRanks;
}

export class Groups {
  readonly #env: AgentEnv;
  readonly #listener: GroupsListener;
  /** The latest group of each request. */
  readonly #groups = new Map<string, GroupActor>();
  /** When each ended group ended, oldest first. */
  readonly #endedMs = new Map<GroupActor, number>();
  /** Ends by rank and epoch: a late message of an earlier attempt gets the end of that attempt. */
  readonly #tombstones: Tombstones;
  /** Groups whose ranks may not know the end. */
  readonly #unsettled = new Set<GroupActor>();
  /** How many groups have not ended. */
  #live = 0;
  #accepting = true;
  readonly #onIdle: (() => void)[] = [];

  constructor(env: AgentEnv, listener: GroupsListener) {
    this.#env = env;
    this.#listener = listener;
    const { tombstonesMax, tombstoneMs } = env.options;
    this.#tombstones = new Tombstones({ max: tombstonesMax, keepMs: tombstoneMs });
  }

  /**
   * Takes the report of one rank. The answer carries the end of the whole request, or the turn of the rank, if there is one.
   * A rank that this agent cannot lead is not refused: only this agent can announce that its request has failed. Throws
   * `invalid_field` when the report was sent to the wrong agent, and `not_yours` when it came from an agent that does not serve
   * the rank.
   */
  report(report: RankReport, from: string): Body<PeerReply<'report'>> {
    const { request, epoch, ranks, appealed } = report;
    const { rank } = ranks;
    this.#check(report);
    requireReporter(report, ranks.members, from);
    const recorded =
      this.#tombstones.get({ request, epoch }) ??
      (appealed === undefined ? undefined : this.#tombstones.get({ request, epoch: appealed.epoch }));
    if (recorded !== undefined) return answerOf({ end: recorded.end, failure: recorded.reason ?? null });
    let group = this.#groups.get(request);
    // The first report has named the agents of the ranks: another one cannot put itself among them.
    if (group !== undefined && group.verdict === undefined) requireReporter(report, group.task.members, from);
    const isOther = group !== undefined && (group.epochOf(rank) ?? epoch) !== epoch;
    if (isOther && group?.verdict === undefined) {
      const message = `rank ${rank} of request ${request} came again under epoch ${epoch}: its sender was restarted`;
      group?.end('failed', { code: 'sender_lost', message });
    }
    // Another epoch means another attempt at the request, unless the sender reports for the attempt of a rank that appealed.
    const isNamed = appealed !== undefined && group?.epochOf(appealed.rank) === appealed.epoch;
    if (group === undefined || (isOther && !isNamed)) group = this.#start(report);
    else if (!isOther) this.#add(report, group);
    const { verdict } = group;
    if (verdict === undefined) return defined({ turn: report.state === 'held' ? group.turnFor(rank) : undefined });
    this.#bury(group, verdict);
    return answerOf(verdict);
  }

  /**
   * Cancels a request. `epoch` is that of one of its ranks; without one, the latest attempt is meant. Undefined when this agent leads
   * no such request.
   */
  cancel(request: string, epoch: string | undefined): { end?: End } | undefined {
    const recorded = epoch === undefined ? undefined : this.#tombstones.get({ request, epoch });
    if (recorded !== undefined) return { end: recorded.end };
    const group = this.#groups.get(request);
    if (group === undefined || (epoch !== undefined && !group.has(epoch))) return undefined;
    if (group.verdict !== undefined) return { end: group.verdict.end };
    group.end('cancelled', { code: 'cancelled_by_caller', message: `request ${request} was cancelled` });
    return {};
  }

  /** Ranks that are not complete. Undefined when this agent leads no such request, or when the request has ended. */
  missing(request: string): number[] | undefined {
    const group = this.#groups.get(request);
    return group?.verdict === undefined ? group?.missing : undefined;
  }

  stopAccepting(): void {
    this.#accepting = false;
  }

  cancelAll(failure: Failure): void {
    for (const group of this.#groups.values()) group.end('failed', failure);
  }

  /** Resolves when every request has its end, and every rank that can be reached has received it. */
  idle(): Promise<void> {
    if (this.#unsettled.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  /** From now on this agent announces nothing. */
  close(): void {
    for (const group of this.#groups.values()) group.close();
  }

  sweep(nowMs: number): void {
    this.#tombstones.prune(nowMs);
    const { tombstoneMs, requestsMax } = this.#env.options;
    for (const [group, endedMs] of this.#endedMs) {
      if (this.#endedMs.size <= ENDED_FOR_EACH_LIVE * requestsMax && nowMs - endedMs < tombstoneMs) return;
      this.#endedMs.delete(group);
      if (this.#groups.get(group.task.request) === group) this.#groups.delete(group.task.request);
    }
  }

  // ------------------------------------------------------------------------------------------------------------------

  #add(report: RankReport, group: GroupActor): void {
    const { request, ranks } = report;
    if (JSON.stringify(group.task.members) === JSON.stringify(ranks.members)) {
      group.report(report);
    } else {
      const message = `rank ${ranks.rank} of request ${request} names other members than the rank that reported first`;
      group.end('failed', toFailure(invalidField('ranks.members', message)));
    }
  }

  #check({ ranks, request }: RankReport): void {
    const { agent } = this.#env.options;
    const lead = ranks.members[0]?.receiver;
    if (lead !== agent) {
      const message = `request ${request} is led by agent ${lead}, not by ${agent}`;
      throw invalidField('ranks.members[0].receiver', message);
    }
    if (ranks.rank >= ranks.members.length) {
      throw invalidField(
        'ranks.rank',
        `request ${request} has no rank ${ranks.rank}, only ${ranks.members.length} ranks`,
      );
    }
  }

  /** A request that this agent cannot take fails at once. It lives until its sender has agreed. */
  #start(report: RankReport): GroupActor {
    const { request, epoch, ranks, timeoutMs } = report;
    this.#refuseMore(request);
    const refusal = this.#refusal();
    const group = new GroupActor(
      this.#env,
      { request, epoch, members: ranks.members, timeoutMs },
      {
        askSender: (which, holder) =>
          (holder === undefined ? undefined : this.#listener.askSender(holder)) ?? this.#askSender(which),
        own: this.#listener.own,
        ended: (which) => {
          this.#live -= 1;
          this.#endedMs.set(which, this.#env.clock.now());
          if (which.verdict !== undefined) this.#bury(which, which.verdict);
        },
        settled: (which) => {
          this.#unsettled.delete(which);
          if (this.#unsettled.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
        },
      },
    );
    this.#groups.set(request, group);
    this.#live += 1;
    this.#unsettled.add(group);
    group.report(report);
    if (refusal !== undefined) group.end('failed', refusal);
    return group;
  }

  /** A request that fails at once lives until its sender has agreed. There must not be any number of those either. */
  #refuseMore(request: string): void {
    const { agent, requestsMax } = this.#env.options;
    if (this.#unsettled.size < UNSETTLED_FOR_EACH_LIVE * requestsMax) return;
    const message = `agent ${agent} leads too many requests over several ranks: report request ${request} again later`;
    throw new KvferryError('too_many_requests', message, { field: 'request' });
  }

  #refusal(): Failure | undefined {
    const { agent, requestsMax } = this.#env.options;
    if (!this.#accepting) return { code: 'agent_draining', message: `agent ${agent} takes no new requests` };
    if (this.#live < requestsMax) return undefined;
    const message = `agent ${agent} leads ${this.#live} requests over several ranks already`;
    return { code: 'too_many_requests', message, field: 'request' };
  }

  /**
   * Asks the sender of rank 0, whose request is not in progress here. Rank 0 may have ended before its first report, or
   * before this agent was restarted. The question ends with its answer, with the death of the sender, or, when the sender
   * lives and does not answer, some time after the deadline of the request.
   */
  async #askSender(group: GroupActor): Promise<Agreement> {
    const { clock, living, options } = this.#env;
    const { request, members } = group.task;
    const agent = members[0]?.sender as string;
    try {
      const reported = group.epochOf(0);
      const epoch = reported ?? (await findProcess(this.#env, agent, () => group.requireOpen())).epoch;
      const watch = living.watch({ agent, epoch }, () => undefined);
      try {
        const silenceMs = SILENT_HEARTBEATS_MAX * options.heartbeatMs;
        const deadlineMs = Math.max(clock.now(), group.deadlineMs) + silenceMs;
        const insistence = { deadlineMs, isLost: () => watch.loss !== undefined };
        const agreement = await confirmEnd(this.#env, agent, { request, epoch }, insistence);
        // Rank 0 was never put, so its sender has announced nothing.
        const isUnput = agreement.type === 'end.refused' && agreement.isUnknown && reported === undefined;
        return isUnput ? { type: 'end.agreed' } : agreement;
      } finally {
        watch.close();
      }
    } catch (error) {
      const message = `agent ${agent}, the sender of rank 0, does not answer: ${toFailure(error).message}`;
      return { type: 'end.refused', failure: { code: 'sender_lost', message }, isUnknown: false };
    }
  }

  #bury(group: GroupActor, { end, failure }: Verdict): void {
    const nowMs = this.#env.clock.now();
    for (const holder of group.holders) this.#tombstones.add(holder, end, failure ?? undefined, nowMs);
  }
}

/** Throws `not_yours` unless the agent is one of the two of its rank: the decode agent, or, when that is lost, the prefill agent. */
function requireReporter(
  { request, ranks, from: receiver }: RankReport,
  members: Ranks['members'],
  from: string,
): void {
  const what = `rank ${ranks.rank} of request ${request}`;
  const member = members[ranks.rank];
  requireOwner(receiver === undefined ? member?.sender : member?.receiver, from, what);
  if (receiver !== undefined) requireOwner(receiver.agent, from, what);
}

function answerOf({ end, failure }: Verdict): Body<PeerReply<'report'>> {
  return { end, ...defined({ reason: failure ?? undefined }) };
}
