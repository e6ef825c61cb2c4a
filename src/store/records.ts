/** The records of the store: entries (keys in the arena), holders (requests and readers with leases), and batches. */
import type { Allocation } from '../protocol/allocation.js';
import type { Failure } from '../protocol/fields.js';
import type { HolderId } from './holder.js';
import type { Joiners } from './joiners.js';
import type { Lessees } from './lessees.js';
import type { CommandOf } from './messages.js';

/** The page of an entry, and the request that writes it or has written it. */
export interface Place {
  readonly page: number;
  readonly generation: number;
  readonly writer: Holder;
  /** The remote key under which the writer writes. It changes only while no write under it can land any more. */
  grant: string;
}

/** A request that waits for a chunk which another request writes. */
export interface Joiner {
  readonly entry: Entry;
  readonly holder: Holder;
  readonly batch: number;
  readonly position: number;
  /** The remote key under which the request has declined to take over. */
  readonly declined: string | undefined;
}

export interface Entry {
  readonly key: string;
  /** Bytes. */
  readonly length: number;
  /** Null while the writer is gone and no joiner has taken over yet. Never null while `ready`. */
  place: Place | null;
  ready: boolean;
  readonly holders: Lessees<Holder>;
  /** Requests that wait for the bytes. Undefined: no request has joined the entry since it came. */
  joiners: Joiners<Holder, Joiner> | undefined;
  /** The last writer that gave up, and why. */
  left: { readonly writer: HolderId; readonly reason: Failure | undefined } | undefined;
}

/** Pages that a request writes together and commits together. Part 0 is the allocation, the others are hand-overs. */
export interface Part {
  readonly positions: readonly number[];
  readonly places: readonly Place[];
  committed: boolean;
}

export interface Batch {
  readonly command: CommandOf<'allocate'>;
  /** Null while the batch waits: for the admission of its request, or for a remote key of its sender. */
  allocation: Allocation | null;
  /** The remote key to which the pages of the allocation are bound: the newest of the sender when it was last answered. */
  grant: string | null;
  bytes: number;
  readonly parts: Part[];
}

export interface Holder {
  readonly id: HolderId;
  readonly name: string;
  /**
   * A request that is arriving, a request that is ready, a reader that came with `acquire`, or a request that has ended and
   * still has leases (it is no holder any more).
   */
  state: 'arriving' | 'ready' | 'reader' | 'leaving';
  readonly totalChunks: number;
  admitted: boolean;
  /** The request is a rank whose turn has not come: it waits outside the queue. */
  held: boolean;
  /** The requests that are admitted together with this one, itself included: the ranks of one request that had their turn. */
  unit: readonly Holder[];
  /** The request had to wait for admission. */
  queued: boolean;
  /** Why the request will never be admitted. */
  refused: Failure | undefined;
  /** Pages promised to the request that none of its batches has asked for yet. */
  reserved: number;
  /** Chunks that are not placed yet. */
  toPlace: number;
  readonly batches: Map<number, Batch>;
  chunks: number;
  highestBatch: number;
  lastBatch: number | null;
  /** The place in the queue for admission; `NO_TURN` when the request does not wait. */
  turn: number;
  /** Keys of the batches that have no pages yet. */
  readonly waitingKeys: Set<string>;
  /** How many of `waitingKeys` are in the arena and leased. Only `Waiters` knows whether it is up to date. */
  waitingHeld: number;
  /** After admission: the batches that have no pages yet. */
  readonly unplaced: Set<Batch>;
  /** Of a ready request: in the order of the put. */
  readonly leases: Map<string, Entry>;
  /** No write of this request can land any more, and its sender starts none. */
  drained: boolean;
  expiresAtMs: number;
  endedAtMs: number;
}
