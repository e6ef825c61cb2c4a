import type { Pieces } from '../protocol/fields.js';

/** Memory that an engine fills and its prefill agent reads: a file that both of them map. */
export interface SourceMemory {
  /** Absolute path under which the agent opens the file. */
  readonly path: string;
  /** Size of the file. It must not become smaller while the agent has it. */
  readonly bytes: number;
  /** Copies `bytes` into the memory, from byte `offset` on. */
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
}

/** Where one chunk lies in a segment that the prefill agent has attached, or lent. */
export interface SourceChunk {
  readonly key: string;
  readonly segment: string;
  /** Bytes from the start of the segment. */
  readonly offset: number;
  /** Bytes of the chunk. */
  readonly length: number;
  /** A chunk that lies in pieces of equal length. Not in the memory of a `PrefillEngine`. Default: one piece. */
  readonly pieces?: Pieces;
}
