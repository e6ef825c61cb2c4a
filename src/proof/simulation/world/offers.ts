/**
 * Requests that are put without a receiver (T29). Before a router has named a receiver, no agent may get a message about their
 * chunks. After that, one agent may, and no other; and not about chunks that the route has skipped.
 */
import type { PeerRequest } from '../../../protocol/peer-messages.js';
import type { Envelope } from '../memory-control.js';
import type { RequestPlan } from './scenario.js';
import type { World } from './world.js';

/** The agent that was asked for pages, and how many chunks at the beginning it was not asked for. */
interface Asked {
  readonly receiver: string;
  readonly skipped: number;
}

export class Offers {
  readonly #world: World;
  /** The keys of each offered request. */
  readonly #offered: ReadonlyMap<string, readonly string[]>;
  /** What routers have named: `receiver/skip`, by request. */
  readonly #named = new Map<string, Set<string>>();
  /** By identity of the request. */
  readonly #asked = new Map<string, Asked>();

  constructor(world: World) {
    this.#world = world;
    const offered = world.scenario.requests.filter(isOffered);
    this.#offered = new Map(offered.map(({ request, batches }) => [request, batches.flat()]));
  }

  /** The put of the request names no receiver. */
  has(request: string): boolean {
    return this.#offered.has(request);
  }

  /** A router sends a `route`. */
  naming(request: string, receiver: string, skip = 0): void {
    this.#named.set(request, (this.#named.get(request) ?? new Set()).add(`${receiver}/${skip}`));
  }

  /** How many chunks at the beginning of the request did not travel. */
  skippedOf({ request, epoch }: { readonly request: string; readonly epoch: string }): number {
    return this.#asked.get(`${epoch}/${request}`)?.skipped ?? 0;
  }

  /** Call this for every message when it is sent. */
  sent({ subject, body, kind }: Envelope): void {
    const [, , to, receiver = '', , operation] = subject.split('.');
    if (kind !== 'message' || to !== 'peer' || operation !== 'allocate') return;
    const { request, epoch, totalChunks, keys } = JSON.parse(body) as PeerRequest<'allocate'>;
    const all = this.#offered.get(request);
    if (all === undefined) return;
    const [name, skipped] = [`${epoch}/${request}`, all.length - totalChunks];
    if (this.#named.get(request)?.has(`${receiver}/${skipped}`) !== true) {
      const what = `asks ${receiver} for pages without its first ${skipped} chunks`;
      this.#world.violate('offered', `${name} ${what}, and no router has named that`);
    }
    const wrong = all.slice(0, skipped).find((key) => keys.includes(key));
    if (wrong !== undefined) this.#world.violate('offered', `${name} asks for a page for ${wrong}, which was skipped`);
    const first = this.#asked.get(name);
    if (first === undefined) this.#asked.set(name, { receiver, skipped });
    else if (first.receiver !== receiver || first.skipped !== skipped) {
      const asked = `${first.receiver} without its first ${first.skipped}`;
      this.#world.violate(
        'offered',
        `${name} asks ${receiver} without its first ${skipped}, after it has asked ${asked}`,
      );
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
