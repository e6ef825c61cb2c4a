/**
 * Requests that had joined chunks whose bytes are here now, and that do not know it yet. Thousands of requests can have joined
 * one chunk, so they are notified a few at a time.
 */
import type { Joiners } from './joiners.js';
import type { Holder, Joiner } from './records.js';

export class Arrivals {
  readonly #joiners = new Set<Joiners<Holder, Joiner>>();

  add(joiners: Joiners<Holder, Joiner>): void {
    this.#joiners.add(joiners);
  }

  get isEmpty(): boolean {
    return this.#joiners.size === 0;
  }

  /** Removes and returns the next request. */
  take(): Joiner | undefined {
    for (const joiners of this.#joiners) {
      const joiner = joiners.take();
      if (joiner !== undefined) return joiner;
      this.#joiners.delete(joiners);
    }
    return undefined;
  }
}
