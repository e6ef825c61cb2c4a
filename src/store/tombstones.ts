/** Ended requests, kept for a while so that late, repeated and re-used messages get the recorded end (P6). */
import type { Failure } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';

export interface Tombstone {
  readonly end: End;
  readonly reason: Failure | undefined;
  readonly atMs: number;
}

export class Tombstones {
  readonly #max: number;
  readonly #keepMs: number;
  /** In the order of their ends, oldest first. */
  readonly #byId = new Map<string, Tombstone>();

  /** Keeps at most `max` ends, each at most `keepMs`. */
  constructor(options: { readonly max: number; readonly keepMs: number }) {
    this.#max = options.max;
    this.#keepMs = options.keepMs;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Tombstone | undefined {
    return this.#byId.get(id);
  }

  /** The first end of a request is the one that stays. */
  add(id: string, end: End, reason: Failure | undefined, nowMs: number): void {
    if (this.#byId.has(id)) return;
    this.#byId.set(id, { end, reason, atMs: nowMs });
    this.prune(nowMs);
  }

  prune(nowMs: number): void {
    for (const [id, tombstone] of this.#byId) {
      if (this.#byId.size <= this.#max && nowMs - tombstone.atMs < this.#keepMs) return;
      this.#byId.delete(id);
    }
  }

  entries(): IterableIterator<[string, Tombstone]> {
    return this.#byId.entries();
  }
}
