/**
 * The ends that the sending side announces: the receiver has never heard of the request, or is lost. The end of a request over
 * several ranks is announced by the agent that leads them, and, when that agent is lost, by the sender of rank 0.
 */
import type { Failure } from '../../protocol/fields.js';
import type { End } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { publishEnd } from './publish-end.js';
import type { RankEnds } from './rank-ends.js';
import type { RequestActor } from './request-actor.js';
import { chunksToSend } from './request-task.js';

export class SentEnds {
  readonly #env: AgentEnv;
  readonly #rankEnds: RankEnds;

  constructor(env: AgentEnv, rankEnds: RankEnds) {
    this.#env = env;
    this.#rankEnds = rankEnds;
  }

  announce(request: RequestActor, end: End, reason: Failure | null): void {
    const { request: name } = request.task;
    const { ageMs, deadlineMs, mayBeKnown, route } = request;
    const { peer, ranks } = route ?? {};
    const about = { request: name, ranks, receiver: peer?.agent, chunks: chunksToSend(request.task, route) };
    // A lead that is proven dead may have a successor, which leads the same request.
    if (peer === undefined || ranks === undefined || (ranks.rank === 0 && mayBeKnown && !peer.isProvenDead)) {
      publishEnd(this.#env, { ...about, ageMs }, end, reason);
      return;
    }
    if (peer.isProvenDead) this.#rankEnds.released(name, peer.epoch);
    const startedMs = this.#env.clock.now() - ageMs;
    // The lead that is dead may have announced `failed` without the agreement of this agent.
    const mustFail = ranks.rank === 0 && peer.isProvenDead && end !== 'failed';
    const message = `agent ${peer.agent}, which leads the ranks, is gone: request ${name} ends failed, not ${end}`;
    const why = mustFail ? { code: 'receiver_lost' as const, message } : reason;
    const rank = { request: name, ranks, receiver: peer.agent, chunks: about.chunks, startedMs, deadlineMs };
    this.#rankEnds.report(rank, mustFail ? 'failed' : end, why);
  }
}
