/** The ends of requests, kept for a limited time: late and repeated messages get the recorded end as their answer (P6). */
import type { Failure } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';
import { type HolderId, nameOf } from './holder.js';

export interface Tombstone {
  readonly end: End;
  readonly reason: Failure | undefined;
  readonly atMs: number;
}

export interface TombstoneDescription {
  /** The holder's name. */
  readonly holder: string;
  readonly end: End;
  readonly atMs: number;
}

export class Tombstones {
  readonly #max: number;
  readonly #keepMs: number;
  /** The oldest end first. */
  readonly #byName = new Map<string, { readonly holder: HolderId; readonly tombstone: Tombstone }>();

  /** Keeps at most `max` ends, each at most `keepMs`. */
  constructor(options: { readonly max: number; readonly keepMs: number }) {
    this.#max = options.max;
    this.#keepMs = options.keepMs;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(holder: HolderId): Tombstone | undefined {
    return this.#byName.get(nameOf(holder))?.tombstone;
  }

  /** The ends of every request of that name, in any epoch. */
  ofRequest(request: string): { readonly holder: HolderId; readonly tombstone: Tombstone }[] {
    return [...this.#byName.values()].filter(({ holder }) => holder.request === request);
  }

  describe(): TombstoneDescription[] {
    return [...this.#byName].map(([holder, { tombstone }]) => ({ holder, end: tombstone.end, atMs: tombstone.atMs }));
  }

  /** Only the first end of a request counts. */
  add(holder: HolderId, end: End, reason: Failure | undefined, nowMs: number): void {
    const name = nameOf(holder);
    if (this.#byName.has(name)) return;
    this.#byName.set(name, { holder, tombstone: { end, reason, atMs: nowMs } });
    this.prune(nowMs);
  }

  prune(nowMs: number): void {
    for (const [name, { tombstone }] of this.#byName) {
      if (this.#byName.size <= this.#max && nowMs - tombstone.atMs < this.#keepMs) return;
      this.#byName.delete(name);
    }
  }
}
