/**
 * When each chunk of a batch became ready at its receiver, and when its source memory came back to the engine. The second must
 * follow the first, long before the request ends: an engine may have no other memory.
 */
import type { SourceReleasedEvent } from '../../../protocol/events.js';
import type { StoreDescription } from '../../../store/description.js';

/** A batch whose source memory came back, or did not. */
interface BatchTimes {
  readonly batch: number;
  /** When the last chunk became ready. */
  readonly readyMs: number;
  /** When the last position came back. Infinite if one did not. */
  readonly releasedMs: number;
}

export class Sources {
  /** By the name of the request in the store. The keys of each accepted batch. */
  readonly #batches = new Map<string, Map<number, readonly string[]>>();
  readonly #readyMs = new Map<string, number>();
  readonly #releasedMs = new Map<string, number>();

  accept(holder: string, batch: number, keys: readonly string[]): void {
    const batches = this.#batches.get(holder) ?? new Map<number, readonly string[]>();
    this.#batches.set(holder, batches.set(batch, keys));
  }

  released({ epoch, request, batch, positions }: SourceReleasedEvent, nowMs: number): void {
    for (const position of positions) {
      const place = `${epoch}/${request} ${batch} ${position}`;
      this.#releasedMs.set(place, this.#releasedMs.get(place) ?? nowMs);
    }
  }

  /** Call this after every step, for every store. */
  observe(nowMs: number, { entries, holders }: StoreDescription): void {
    const arriving = new Set(holders.filter(({ state }) => state === 'arriving').map(({ name }) => name));
    if (arriving.size === 0) return;
    for (const { key, ready, holders: names } of entries) {
      if (!ready) continue;
      for (const name of names) {
        const place = `${name} ${key}`;
        if (arriving.has(name) && !this.#readyMs.has(place)) this.#readyMs.set(place, nowMs);
      }
    }
  }

  /** The batches of a request whose chunks were all ready before the request ended. */
  times(holder: string): BatchTimes[] {
    return [...(this.#batches.get(holder) ?? [])].flatMap(([batch, keys]) => {
      const readyMs = keys.map((key) => this.#readyMs.get(`${holder} ${key}`));
      if (readyMs.includes(undefined)) return [];
      const releasedMs = keys.map(
        (_, position) => this.#releasedMs.get(`${holder} ${batch} ${position}`) ?? Number.POSITIVE_INFINITY,
      );
      return [{ batch, readyMs: Math.max(0, ...(readyMs as number[])), releasedMs: Math.max(0, ...releasedMs) }];
    });
  }
}
