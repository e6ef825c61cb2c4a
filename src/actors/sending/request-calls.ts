/** The messages of one request to its receiver, apart from those of its transfers. */
import type { RequestContext } from '../../../machines/request.js';
import { toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerReply } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { callPeer, type Insistence } from '../peers/peer-call.js';
import { chunksToSend, type RequestTask, type Route } from './request-task.js';
import { untilGone } from './until-gone.js';

export class RequestCalls {
  readonly #env: AgentEnv;
  readonly #task: Pick<RequestTask, 'request' | 'totalChunks'>;
  /** When this side last agreed to an end, on the agent's clock. */
  readonly #agreedMs: () => number;

  constructor(env: AgentEnv, task: Pick<RequestTask, 'request' | 'totalChunks'>, agreedMs: () => number) {
    this.#env = env;
    this.#task = task;
    this.#agreedMs = agreedMs;
  }

  /** Asks the receiver to end the request as `wish` says. Resolves with the end that it has recorded. Default: `untilGone`. */
  async abort(
    route: Route,
    wish: RequestContext['wish'],
    insistence: Insistence = this.#untilGone(route.peer),
  ): Promise<{ readonly end: End; readonly failure: Failure | null }> {
    const { peer, ranks } = route;
    const { request } = this.#task;
    const totalChunks = chunksToSend(this.#task, route);
    const { epoch, options } = this.#env;
    if (wish === null) throw new Error(`request ${request} is given up without a reason`);
    const body = { agent: options.agent, request, epoch, totalChunks, end: wish.end, reason: wish.failure, ranks };
    const { end, reason } = await callPeer(this.#env, peer, 'abort', () => body, insistence);
    return { end, failure: reason ?? null };
  }

  /** No write of the request can land any more. */
  async drained({ peer }: Route): Promise<void> {
    const { request } = this.#task;
    const { epoch, logger } = this.#env;
    try {
      await callPeer(this.#env, peer, 'drained', () => ({ request, epoch }), this.#untilGone(peer));
    } catch (error) {
      // The receiver keeps the pages in quarantine until it fences this epoch.
      logger.warn({ request, code: toFailure(error).code, err: error }, 'drain not acknowledged');
    }
  }

  inquire({ peer }: Route, batches: readonly number[], deadlineMs: number): Promise<PeerReply<'inquire'>> {
    const { request } = this.#task;
    const body = defined({ request, epoch: this.#env.epoch, batches: batches.length === 0 ? undefined : [...batches] });
    return callPeer(this.#env, peer, 'inquire', () => body, { deadlineMs, isLost: () => peer.isLost });
  }

  #untilGone(peer: Route['peer']): Insistence {
    return untilGone(this.#env, peer, this.#agreedMs);
  }
}
