/**
 * What requests waited for: for pages, for a chunk that another request writes, or for their own writes. None of these is a fault
 * of the agents.
 */
import type { StoreDescription } from '../../../store/description.js';

export class Waits {
  /** Requests that had to wait for pages, as the stores name them. */
  readonly #forPages = new Set<string>();
  /** The last time at which a request waited for a write, by its name in the store. */
  readonly #forWriteMs = new Map<string, number>();
  /** The requests that write to the pages of a store, by the address of the store and the page. */
  readonly #writers = new Map<string, Map<number, string>>();
  /** Requests that waited for a writer after the step before, by the address of the store. */
  readonly #waiting = new Map<string, Set<string>>();

  /** Call this after every step, for every store. */
  observe(address: string, nowMs: number, { queue, entries, free }: StoreDescription): void {
    for (const holder of queue) this.#forPages.add(holder);
    const waiting = new Set<string>();
    const writers = new Map<number, string>();
    for (const { ready, place, holders } of entries) {
      if (ready) continue;
      if (place !== null) writers.set(place.page, place.writer);
      for (const holder of holders) {
        if (place !== null && place.writer !== holder) waiting.add(holder);
        else if (place === null && free.length === 0) this.#forPages.add(holder);
      }
    }
    for (const holder of waiting) this.#until(holder, nowMs);
    for (const holder of this.#waiting.get(address) ?? []) this.#until(holder, nowMs);
    this.#waiting.set(address, waiting);
    this.#writers.set(address, writers);
  }

  /** A slice is on its way into a page until `untilMs`. */
  writing(address: string, page: number, untilMs: number): void {
    const holder = this.#writers.get(address)?.get(page);
    if (holder !== undefined) this.#until(holder, untilMs);
  }

  forPages(holder: string): boolean {
    return this.#forPages.has(holder);
  }

  /** The time until which `holder` waited for writes. */
  forWriteUntilMs(holder: string): number {
    return this.#forWriteMs.get(holder) ?? 0;
  }

  #until(holder: string, untilMs: number): void {
    this.#forWriteMs.set(holder, Math.max(untilMs, this.forWriteUntilMs(holder)));
  }
}
