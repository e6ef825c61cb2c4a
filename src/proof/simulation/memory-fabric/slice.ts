import type { FabricWriteErrorCode, Provider } from '../../../ports/fabric.js';

/** A piece of a write on its way through the network. */
export interface MemorySlice {
  readonly provider: Provider;
  readonly from: string;
  readonly to: string;
  readonly grantId: string;
  readonly segment: string;
  readonly sourceOffset: number;
  readonly targetOffset: number;
  readonly length: number;
}

/** A connection that has broken or was closed, and where the writes were to land that were under way on it. */
export interface EndedConnection {
  readonly to: string;
  readonly grantId: string;
  readonly targetOffsets: readonly number[];
}

/**
 * What happens to a slice of a write:
 * - `deliver`: the slice lands after `delayMs`.
 * - `hold`: the slice lands when it is released, even if its sender has given up long before.
 * - `fail`: the slice does not land, and the write fails with the code.
 * - `break`: the connection breaks. The slice does not land, or lands `landsAfterMs` later.
 */
export type SliceFate =
  | { readonly kind: 'deliver'; readonly delayMs: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'fail'; readonly code: FabricWriteErrorCode }
  | { readonly kind: 'break'; readonly landsAfterMs?: number };

/** How `failNextWrite` ends a write. */
export interface WriteFault {
  readonly code: FabricWriteErrorCode;
  readonly message: string;
  /** Default: true. */
  readonly drained?: boolean;
}

/** Slices that `holdWrites` keeps from landing. */
export interface HeldWrites {
  /** Number of slices that are on hold now. */
  readonly held: number;
  /** Lets the held slices land and holds no further ones. */
  release(): void;
}

export interface MemoryFabricOptions {
  readonly windowBytes: number;
  readonly sliceBytes: number;
}
