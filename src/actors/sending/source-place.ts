import type { Pieces } from '../../protocol/fields.js';

/** The place of one chunk in source memory. Bytes. */
export interface SourcePlace {
  readonly segment: string;
  readonly offset: number;
  /** Of all pieces together. */
  readonly length: number;
  /** Default: one piece. */
  readonly pieces?: Pieces;
}
