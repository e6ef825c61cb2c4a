/** The ends of requests, kept for a limited time: late and repeated messages get the recorded end as their answer (P6). */
import type { Failure } from '../protocol/fields.js';
import { shortened } from '../protocol/shown-text.js';
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

/** Characters of all reasons together. When they are more, only the beginning of a further reason is kept. */
const TEXTS_MAX = 8 * 1024 * 1024;
const BEGINNING_LENGTH = 100;

/** Ends that are forgotten in one turn because they are old. */
const FORGOTTEN_PER_CALL = 1024;

interface Remembered {
  readonly holder: HolderId;
  readonly tombstone: Tombstone;
}

export class Tombstones {
  readonly #max: number;
  readonly #keepMs: number;
  /** The oldest end first. */
  readonly #byName = new Map<string, Remembered>();
  /** By request, the oldest end first. Nearly every name is used by one sender only: then there is no set. */
  readonly #byRequest = new Map<string, Remembered | Set<Remembered>>();
  /** Characters of the reasons. */
  #texts = 0;

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

  /** The ends of every request of that name, in any epoch, oldest first. */
  ofRequest(request: string): readonly Remembered[] {
    const known = this.#byRequest.get(request);
    if (known === undefined) return [];
    return known instanceof Set ? [...known] : [known];
  }

  describe(): TombstoneDescription[] {
    return [...this.#byName].map(([holder, { tombstone }]) => ({ holder, end: tombstone.end, atMs: tombstone.atMs }));
  }

  /** Only the first end of a request counts. */
  add(holder: HolderId, end: End, reason: Failure | undefined, nowMs: number): void {
    const name = nameOf(holder);
    if (this.#byName.has(name)) return;
    const remembered = { holder, tombstone: { end, reason: this.#keptOf(reason), atMs: nowMs } };
    this.#byName.set(name, remembered);
    this.#texts += lengthOf(remembered.tombstone.reason);
    const others = this.#byRequest.get(holder.request);
    if (others === undefined) this.#byRequest.set(holder.request, remembered);
    else if (others instanceof Set) others.add(remembered);
    else this.#byRequest.set(holder.request, new Set([others, remembered]));
    this.prune(nowMs);
  }

  /** Forgets what is too old, a part of it when it is much, and what is too much. */
  prune(nowMs: number): void {
    let left = FORGOTTEN_PER_CALL;
    for (const [name, remembered] of this.#byName) {
      const isOld = left > 0 && nowMs - remembered.tombstone.atMs >= this.#keepMs;
      if (this.#byName.size <= this.#max && !isOld) return;
      left -= 1;
      this.#byName.delete(name);
      this.#forget(remembered);
    }
  }

  #keptOf(reason: Failure | undefined): Failure | undefined {
    if (reason === undefined || this.#texts + lengthOf(reason) <= TEXTS_MAX) return reason;
    return { code: reason.code, message: shortened(reason.message, BEGINNING_LENGTH) };
  }

  #forget(remembered: Remembered): void {
    this.#texts -= lengthOf(remembered.tombstone.reason);
    const { request } = remembered.holder;
    const others = this.#byRequest.get(request);
    if (others instanceof Set) others.delete(remembered);
    if (!(others instanceof Set) || others.size === 0) this.#byRequest.delete(request);
  }
}

function lengthOf(reason: Failure | undefined): number {
  return reason === undefined ? 0 : reason.message.length + (reason.field?.length ?? 0);
}
