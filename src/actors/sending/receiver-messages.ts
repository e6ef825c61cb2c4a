/**
 * What receivers, and the leads of ranks, say about the requests that this agent sends. Each message must come from the agent
 * that the request was put for: another one learns nothing and changes nothing (P31).
 */
import type { Body } from '../../protocol/body.js';
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { invalidField } from '../../protocol/errors.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { Tombstone } from '../../store/tombstones.js';
import type { AgentEnv } from '../env/agent-env.js';
import { requireOwner } from '../peers/require-owner.js';
import type { RankEnds } from './rank-ends.js';
import type { RequestActor } from './request-actor.js';
import type { TakenParts } from './taken-parts.js';

/** What the sender knows. */
export interface SentRequests {
  running(request: string): RequestActor | undefined;
  ended(request: string): Tombstone | undefined;
  /** What became of the chunks that were handed over to a request that has ended. */
  partsOf(request: string): TakenParts | undefined;
  /** Records that a request has failed that this agent does not send. */
  failed(request: string, reason: Failure): void;
}

export class ReceiverMessages {
  readonly #env: AgentEnv;
  readonly #rankEnds: RankEnds;
  readonly #requests: SentRequests;

  constructor(env: AgentEnv, rankEnds: RankEnds, requests: SentRequests) {
    this.#env = env;
    this.#rankEnds = rankEnds;
    this.#requests = requests;
  }

  allocated(notice: PeerRequest<'allocated'>, from: string): Body<PeerReply<'allocated'>> {
    this.#sentTo(from, notice.request)?.allocated(notice);
    return {};
  }

  joined({ request, batch }: PeerRequest<'joined'>, from: string): Body<PeerReply<'joined'>> {
    this.#sentTo(from, request)?.joinResolved(batch);
    return {};
  }

  ended({ request, end, reason }: PeerRequest<'ended'>, from: string): Body<PeerReply<'ended'>> {
    this.#sentTo(from, request)?.receiverReported(end, reason ?? null);
    return {};
  }

  async handOver(message: PeerRequest<'handover'>, from: string): Promise<Body<PeerReply<'handover'>>> {
    const { request, batch, part } = message;
    const actor = this.#sentTo(from, request);
    const answer = (actor?.parts ?? this.#requests.partsOf(request))?.answer(batch, part);
    if (answer !== undefined) return answer;
    if (actor === undefined) {
      const ended = this.#requests.ended(request);
      throw ended === undefined ? unknownRequest(request) : new RequestEndedError(request, ended.end, ended.reason);
    }
    return actor.handOver(message);
  }

  /** The end that this agent itself has announced. Without `end` it agrees to the end that the receiver announces. */
  confirm({ request, receiverEpoch }: PeerRequest<'confirm'>, from: string): Body<PeerReply<'confirm'>> {
    const isWaiting = this.#rankEnds.isWaiting(request);
    const actor = this.#requests.running(request);
    const isSent = actor?.route !== undefined;
    if (isSent) requireOwner(actor.route.peer.agent, from, `request ${request}`);
    if (!isWaiting) {
      const ended = actor?.confirm(receiverEpoch) ?? this.#requests.ended(request);
      if (ended !== undefined) return defined({ end: ended.end, reason: ended.reason });
    }
    // A lead takes the answer that rank 0 was never put as an agreement, so it binds too.
    if (!isSent || actor.route.ranks !== undefined) {
      this.#rankEnds.promise(request, { agent: from, epoch: receiverEpoch });
    }
    if (!isSent && !isWaiting) throw unknownRequest(request);
    return {};
  }

  /** The lead of the ranks is gone. This agent sees to the end of the request, also when its own rank 0 was never put. */
  appeal(message: PeerRequest<'appeal'>, from: string): Body<PeerReply<'appeal'>> {
    const { request, ranks, reason } = message;
    const { options } = this.#env;
    const [first] = ranks.members;
    if (first?.sender !== options.agent) {
      const refusal = `rank 0 of request ${request} is put at agent ${first?.sender}, not at ${options.agent}`;
      throw invalidField('ranks.members[0].sender', refusal);
    }
    requireMember(ranks, from, request);
    const actor = this.#requests.running(request);
    if (this.#rankEnds.isWaiting(request) || actor?.route !== undefined) return {};
    const ended = this.#requests.ended(request);
    if (ended !== undefined) return defined({ end: ended.end, reason: ended.reason });
    if (actor === undefined) this.#rankEnds.refuseMore(request);
    const what = actor === undefined ? 'put at' : 'routed from';
    const failure = { code: reason.code, message: `rank 0 was not ${what} agent ${options.agent}: ${reason.message}` };
    actor?.withdraw(failure);
    this.#requests.failed(request, failure);
    this.#rankEnds.standIn(message, first.receiver, failure);
    return {};
  }

  /** The request in progress, if it goes to the agent that speaks. Throws `not_yours` when it goes to another one, or to none yet. */
  #sentTo(from: string, request: string): RequestActor | undefined {
    const actor = this.#requests.running(request);
    if (actor !== undefined) requireOwner(actor.route?.peer.agent, from, `request ${request}`);
    return actor;
  }
}

/** Both agents of a rank may appeal for it. */
function requireMember({ rank, members }: Ranks, from: string, request: string): void {
  const member = members[rank];
  if (member?.sender !== from) requireOwner(member?.receiver, from, `rank ${rank} of request ${request}`);
}
