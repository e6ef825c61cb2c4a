/** Everything the store knows, as plain data: for checks, drawings and explanations. Nothing in it is shared with the store. */

import type { PageState } from '../../machines/page.js';
import type { Allocation } from '../protocol/allocation.js';
import type { End } from '../protocol/subjects.js';

export interface StoreDescription {
  /** One for each page, by number. */
  readonly pages: readonly { readonly state: PageState; readonly generation: number }[];
  /** Free pages in the order in which they will be taken, last first. */
  readonly free: readonly number[];
  readonly entries: readonly EntryDescription[];
  readonly holders: readonly HolderDescription[];
  /** Names of the holders that wait for admission, first first. */
  readonly queue: readonly string[];
  readonly quarantine: readonly {
    readonly page: number;
    readonly writer: string;
    readonly grant: string;
    readonly sinceMs: number;
  }[];
  /** Remote keys that are valid. */
  readonly grants: readonly string[];
  /** Ends that are remembered, oldest first, by the holder's name. */
  readonly tombstones: readonly { readonly holder: string; readonly end: End; readonly atMs: number }[];
}

/** One key in the arena. Holders are named as `nameOf` does: `<epoch>/<request>`. */
export interface EntryDescription {
  readonly key: string;
  /** Bytes. */
  readonly length: number;
  readonly ready: boolean;
  /** Nobody leases it: kept as cache until its page is needed. */
  readonly retained: boolean;
  /** Null while nobody writes it. */
  readonly place: {
    readonly page: number;
    readonly generation: number;
    readonly writer: string;
    /** The remote key under which it is, or was, written. */
    readonly grant: string;
  } | null;
  readonly holders: readonly string[];
  readonly joiners: readonly { readonly holder: string; readonly batch: number }[];
}

export interface HolderDescription {
  readonly name: string;
  readonly state: 'arriving' | 'ready' | 'reader';
  readonly totalChunks: number;
  readonly admitted: boolean;
  readonly refused: boolean;
  /** Pages promised to it that no batch has asked for yet. */
  readonly reserved: number;
  readonly batches: readonly {
    readonly batch: number;
    readonly last: boolean;
    readonly keys: readonly string[];
    readonly grant: string;
    /** Null while it waits for admission. */
    readonly allocation: Allocation | null;
    /** Of each part: what it was allocated, and what was handed over to it since. */
    readonly committed: readonly boolean[];
  }[];
  /** Keys it holds a lease on. */
  readonly leases: readonly string[];
  readonly drained: boolean;
  readonly expiresAtMs: number;
}
