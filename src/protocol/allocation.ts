/**
 * What the receiver decides about the chunks of one batch: the answer to `allocate`. Positions count the keys of the batch
 * from 0. Every position that is not in `alreadySent` has one page, in the order of the keys.
 */
export interface Allocation {
  /** Pages to which the sender writes. */
  readonly pages: readonly number[];
  /** The generation of each of `pages`. */
  readonly generations: readonly number[];
  /** Positions that the sender does not write: their chunks are in the arena, or another request writes them. */
  readonly alreadySent: readonly number[];
  /** Those of `alreadySent` that another request is still writing. */
  readonly joined: readonly number[];
}
