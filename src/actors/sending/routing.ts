/** Executes `route`: a router names the receiver of an offered request (T29). */
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { OperationRequest } from '../../protocol/operations.js';
import type { End } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { ReceiverPeer } from '../peers/receiver-peer.js';
import { checkRoute, isRouted } from './check-route.js';
import type { RequestActor } from './request-actor.js';

type Route = OperationRequest<'route'>;

/** What the sender knows. */
export interface RoutedRequests {
  running(request: string): RequestActor | undefined;
  ended(request: string): { readonly end: End; readonly reason: Failure | undefined } | undefined;
  /** As `ReceiverDirectory.find`. Resolves when nothing that was read before a pause of the process can be stale. */
  receiver(agent: string): Promise<ReceiverPeer>;
}

export class Routing {
  readonly #env: AgentEnv;
  readonly #requests: RoutedRequests;

  constructor(env: AgentEnv, requests: RoutedRequests) {
    this.#env = env;
    this.#requests = requests;
  }

  /** Rejects when the route is refused. The request then stays as it was. */
  async route(message: Route): Promise<{ epoch: string }> {
    const { epoch, clock, counters, options } = this.#env;
    const receivedMs = clock.now();
    if (isRouted(this.#named(message), message)) return { epoch };
    const peer = await this.#requests.receiver(message.receiver);
    // Another route, or the end of the request, may have come meanwhile (P3).
    const request = this.#named(message);
    if (isRouted(request, message)) return { epoch };
    const { ranks, skip, timeoutMs } = message;
    checkRoute(options.agent, request, { peer, ranks, skip });
    const deadlineMs = timeoutMs === undefined ? request.deadlineMs : receivedMs + timeoutMs;
    request.send({ peer, ranks, skip }, Math.max(0, Math.round(deadlineMs - clock.now())));
    counters.add('requests_routed');
    return { epoch };
  }

  #named({ request, epoch }: Route): RequestActor {
    if (epoch !== undefined && epoch !== this.#env.epoch) throw unknownRequest(request, epoch);
    const ended = this.#requests.ended(request);
    if (ended !== undefined) throw new RequestEndedError(request, ended.end, ended.reason);
    const running = this.#requests.running(request);
    if (running === undefined) throw unknownRequest(request);
    return running;
  }
}
