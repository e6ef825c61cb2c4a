/**
 * Requests that are put without a receiver (T29). Before a router has named a receiver, no agent may get a message about their
 * chunks. After that, one agent may, and no other.
 */
import { operationOf } from '../../../protocol/subjects.js';
import type { Envelope } from '../memory-control.js';
import { requestOf } from './participants.js';
import type { RequestPlan } from './scenario.js';
import type { World } from './world.js';

const EPOCH = /"epoch":"([0-9a-f]+)"/;

export class Offers {
  readonly #world: World;
  readonly #offered: ReadonlySet<string>;
  /** Receivers that a router has named, by request. */
  readonly #named = new Map<string, Set<string>>();
  /** The receiver that was asked for pages, by identity of the request. */
  readonly #asked = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
    this.#offered = new Set(world.scenario.requests.filter(isOffered).map(({ request }) => request));
  }

  /** The put of the request names no receiver. */
  has(request: string): boolean {
    return this.#offered.has(request);
  }

  /** A router sends a `route`. */
  naming(request: string, receiver: string): void {
    this.#named.set(request, (this.#named.get(request) ?? new Set()).add(receiver));
  }

  /** Call this for every message when it is sent. */
  sent({ subject, body, kind }: Envelope): void {
    const [, , to, receiver = ''] = subject.split('.');
    if (kind !== 'message' || to !== 'peer' || operationOf(subject) !== 'allocate') return;
    const request = requestOf({ body }) ?? '';
    if (!this.#offered.has(request)) return;
    const name = `${EPOCH.exec(body)?.[1]}/${request}`;
    if (this.#named.get(request)?.has(receiver) !== true) {
      this.#world.violate('offered', `${name} asks ${receiver} for pages, and no router has named that agent`);
    }
    const first = this.#asked.get(name);
    if (first === undefined) this.#asked.set(name, receiver);
    else if (first !== receiver) {
      this.#world.violate('offered', `${name} asks ${receiver} for pages, after it has asked ${first}`);
    }
  }
}

export function isOffered({ routes }: Pick<RequestPlan, 'routes'>): boolean {
  return routes !== undefined;
}

/** The receivers that the put or a router names, each once. */
export function receiversOf({ receiver, routes }: Pick<RequestPlan, 'receiver' | 'routes'>): string[] {
  return routes === undefined ? [receiver] : [...new Set(routes.map((call) => call.receiver))];
}
