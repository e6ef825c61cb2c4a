/**
 * Requests over several ranks that this agent leads, since it is the receiver of their rank 0 (P17). Ended ones are
 * remembered for a while: a rank that comes late gets the end as its answer.
 */
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import type { Body } from '../../protocol/body.js';
import { toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerReply, RankReport } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { HolderId } from '../../store/holder.js';
import { Tombstones } from '../../store/tombstones.js';
import { type AgentEnv, failureOf } from '../env/agent-env.js';
import { describeAgent } from '../peers/describe-agent.js';
import { callPeer } from '../peers/peer-call.js';
import { GroupActor } from './group-actor.js';
import type { Verdict } from './verdict.js';

export interface GroupsListener {
  /** The ingest of rank 0 finds out whether its sender has announced an end. */
  announcedBySender(holder: HolderId): Promise<Verdict | undefined>;
  /** A rank whose receiver is this agent is told. */
  tell(holder: HolderId, verdict: Verdict): void;
}

export class Groups {
  readonly #env: AgentEnv;
  readonly #listener: GroupsListener;
  /** By request. The one that is there last, in the order of their beginnings. */
  readonly #groups = new Map<string, GroupActor>();
  /** When they ended. */
  readonly #endedMs = new Map<GroupActor, number>();
  /** Ends of ranks, by their epochs: what comes of an earlier attempt gets the end of that one. */
  readonly #tombstones: Tombstones;
  /** Groups that have not ended. */
  #live = 0;
  #accepting = true;

  constructor(env: AgentEnv, listener: GroupsListener) {
    this.#env = env;
    this.#listener = listener;
    const { tombstonesMax, tombstoneMs } = env.options;
    this.#tombstones = new Tombstones({ max: tombstonesMax, keepMs: tombstoneMs });
  }

  /**
   * One rank says how it is doing, and is told the end of the whole request if there is one. Throws `invalid_field`,
   * `agent_draining` or `too_many_requests`.
   */
  report(report: RankReport): Body<PeerReply<'report'>> {
    const { request, epoch, ranks } = report;
    const { rank, members } = ranks;
    const recorded = this.#tombstones.get({ request, epoch });
    if (recorded !== undefined) return answerOf({ end: recorded.end, failure: recorded.reason ?? null });
    this.#check(report);
    let group = this.#groups.get(request);
    if (group !== undefined && group.verdict === undefined && (group.epochOf(rank) ?? epoch) !== epoch) {
      const message = `rank ${rank} of request ${request} came again under epoch ${epoch}: its sender was restarted`;
      group.end('failed', failureOf('sender_lost', message));
    }
    // What had another epoch is another attempt.
    if (group === undefined || (group.epochOf(rank) ?? epoch) !== epoch) group = this.#start(report);
    else if (JSON.stringify(group.task.members) !== JSON.stringify(members)) {
      throw new KvferryError('invalid_field', `request ${request} has other ranks`, { field: 'ranks.members' });
    }
    group.report(report);
    const { verdict } = group;
    if (verdict === undefined) return {};
    this.#bury(group, verdict);
    return answerOf(verdict);
  }

  /** Undefined when no such request is led here. */
  cancel(request: string): { end?: End } | undefined {
    const group = this.#groups.get(request);
    if (group === undefined) return undefined;
    if (group.verdict !== undefined) return { end: group.verdict.end };
    group.end('cancelled', failureOf('cancelled_by_caller', `request ${request} was cancelled`));
    return {};
  }

  /** Ranks that are not complete; undefined when no such request is led here, or when it has ended. */
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

  sweep(nowMs: number): void {
    this.#tombstones.prune(nowMs);
    const { tombstoneMs, tombstonesMax } = this.#env.options;
    for (const [group, endedMs] of this.#endedMs) {
      if (this.#endedMs.size <= tombstonesMax && nowMs - endedMs < tombstoneMs) return;
      this.#endedMs.delete(group);
      if (this.#groups.get(group.task.request) === group) this.#groups.delete(group.task.request);
    }
  }

  // ------------------------------------------------------------------------------------------------------------------

  #check({ ranks, request }: RankReport): void {
    const { agent } = this.#env.options;
    const lead = ranks.members[0]?.receiver;
    if (lead !== agent) {
      const message = `request ${request} is led by agent ${lead}, not by ${agent}`;
      throw new KvferryError('invalid_field', message, { field: 'ranks.members[0].receiver' });
    }
    if (ranks.rank >= ranks.members.length) {
      const message = `request ${request} has ${ranks.members.length} ranks`;
      throw new KvferryError('invalid_field', message, { field: 'ranks.rank' });
    }
  }

  #start({ request, epoch, ranks, timeoutMs }: RankReport): GroupActor {
    const { agent, requestsMax } = this.#env.options;
    if (!this.#accepting) throw new KvferryError('agent_draining', `agent ${agent} takes no new requests`);
    if (this.#live >= requestsMax) {
      throw new KvferryError('too_many_requests', `${this.#live} requests over several ranks are in progress`, {
        field: 'request',
      });
    }
    const group = new GroupActor(
      this.#env,
      { request, epoch, members: ranks.members, timeoutMs },
      {
        announcedBySender: (which, holder) =>
          holder === undefined ? this.#askSender(which) : this.#listener.announcedBySender(holder),
        tell: (holder, verdict) => this.#listener.tell(holder, verdict),
        ended: (which) => {
          this.#live -= 1;
          this.#endedMs.set(which, this.#env.clock.now());
          if (which.verdict !== undefined) this.#bury(which, which.verdict);
        },
      },
    );
    this.#groups.set(request, group);
    this.#live += 1;
    return group;
  }

  /** Rank 0 was not heard of: did it perhaps end before it came here, or before this agent was restarted? */
  async #askSender({ task }: GroupActor): Promise<Verdict | undefined> {
    const { clock, options, logger } = this.#env;
    const { request, members } = task;
    const agent = members[0]?.sender as string;
    try {
      const { epoch } = await describeAgent(this.#env, agent, options.attemptTimeoutMs);
      const deadlineMs = clock.now() + SILENT_HEARTBEATS_MAX * options.heartbeatMs;
      const peer = { agent, epoch, side: 'sender' as const };
      const insistence = { deadlineMs, isLost: () => false };
      const { end, reason } = await callPeer(this.#env, peer, 'confirm', () => ({ request, epoch }), insistence);
      return end === undefined ? undefined : { end, failure: reason ?? null };
    } catch (error) {
      logger.info({ request, peer: agent, code: toFailure(error).code }, 'the sender of rank 0 knows nothing of it');
      return undefined;
    }
  }

  #bury(group: GroupActor, { end, failure }: Verdict): void {
    const nowMs = this.#env.clock.now();
    for (const holder of group.holders) this.#tombstones.add(holder, end, failure ?? undefined, nowMs);
  }
}

function answerOf({ end, failure }: Verdict): Body<PeerReply<'report'>> {
  return failure === null ? { end } : { end, reason: failure };
}
