/**
 * What requests waited for in the stores: for pages, or for a chunk that another request writes. Both are no fault of a request,
 * and no fault of the agents.
 */
import type { StoreDescription } from '../../../store/description.js';

export class Waits {
  /** Requests that had to wait for pages, as the stores name them. */
  readonly #forPages = new Set<string>();
  /** The last time at which a request waited for a write of another one. */
  readonly #forWriterMs = new Map<string, number>();
  /** Requests that waited for a writer after the step before, by the address of the store. */
  readonly #waiting = new Map<string, Set<string>>();

  /** Call this after every step, for every store. */
  observe(address: string, nowMs: number, { queue, entries, free }: StoreDescription): void {
    for (const holder of queue) this.#forPages.add(holder);
    const waiting = new Set<string>();
    for (const { ready, place, holders } of entries) {
      if (ready) continue;
      for (const holder of holders) {
        if (place !== null && place.writer !== holder) waiting.add(holder);
        else if (place === null && free.length === 0) this.#forPages.add(holder);
      }
    }
    for (const holder of waiting) this.#forWriterMs.set(holder, nowMs);
    for (const holder of this.#waiting.get(address) ?? []) this.#forWriterMs.set(holder, nowMs);
    this.#waiting.set(address, waiting);
  }

  forPages(holder: string): boolean {
    return this.#forPages.has(holder);
  }

  /** The time until which `holder` waited for writes of other requests. */
  forWriterUntilMs(holder: string): number {
    return this.#forWriterMs.get(holder) ?? 0;
  }
}
