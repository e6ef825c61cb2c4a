/** What the store remembers: entries (keys in the arena), holders (who leases them), and holders' batches. */
import type { Allocation } from '../protocol/allocation.js';
import type { Failure } from '../protocol/fields.js';
import type { Candidate } from './admission.js';
import type { StoreCommand } from './commands.js';
import type { HolderId } from './holder.js';
import type { Lessees } from './lessees.js';

/** Where an entry's bytes are, or will be, and who writes them there. */
export interface Place {
  readonly page: number;
  readonly generation: number;
  readonly writer: Holder;
  /** The remote key under which it is written. */
  readonly grant: string;
}

/** A request that waits for another's write of one of its chunks. */
export interface Joiner {
  readonly holder: Holder;
  readonly batch: number;
  readonly position: number;
  /** The remote key under which it has refused to take over. */
  declined?: string;
}

export interface Entry {
  readonly key: string;
  /** Bytes. */
  readonly length: number;
  /** Null while nobody writes it: its writer is gone, and no joiner has taken over yet. Never while `ready`. */
  place: Place | null;
  ready: boolean;
  readonly holders: Lessees<Holder>;
  /** In the order in which they came; the first that can takes over when the writer fails. */
  joiners: Joiner[];
  /** Why the last writer is gone. */
  left: { readonly writer: HolderId; readonly reason: Failure | undefined } | undefined;
}

/** Pages that a holder writes together and commits together. Part 0 is what the batch was allocated, others were handed over. */
export interface Part {
  readonly positions: readonly number[];
  readonly places: readonly Place[];
  committed: boolean;
}

export interface Batch {
  readonly command: Extract<StoreCommand, { type: 'allocate' }>;
  /** Null while the request waits for admission. */
  allocation: Allocation | null;
  bytes: number;
  readonly parts: Part[];
}

export interface Holder {
  readonly id: HolderId;
  readonly name: string;
  /** A request that is arriving, one that is ready, or a reader that came with `acquire`. */
  state: 'arriving' | 'ready' | 'reader';
  readonly totalChunks: number;
  admitted: boolean;
  /** It had to wait for admission. */
  queued: boolean;
  /** Why it will never be admitted. */
  refused: Failure | undefined;
  /** Pages promised to it that no batch has asked for yet. */
  reserved: number;
  readonly batches: Map<number, Batch>;
  chunks: number;
  highestBatch: number;
  lastBatch: number | null;
  /** Keys of batches that wait for admission, and how many of them somebody holds now. */
  readonly waitingKeys: Set<string>;
  waitingHeld: number;
  readonly candidate: Candidate;
  readonly leases: Map<string, Entry>;
  /** No write of it can land any more, and none will be started: what its sender says last. */
  drained: boolean;
  expiresAtMs: number;
  endedAtMs: number;
}
