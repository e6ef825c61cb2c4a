/**
 * The trail: one step for each thing that the store does with chunks and their pages, reported while the command runs.
 * The agent's journal and its audit events are made from it. No rule of the store depends on it.
 */
import type { StoreAction } from '../protocol/observation.js';
import type { HolderId } from './holder.js';

export interface TrailStep {
  readonly action: StoreAction;
  readonly holder?: HolderId;
  readonly batch?: number;
  readonly keys: readonly string[];
  /** Positions in `keys` that the step is about. Undefined: all of them. */
  readonly positions?: readonly number[];
  /** One page for each position. */
  readonly pages?: readonly number[];
  /** The number of chunks, when the store does not know their keys any more. */
  readonly chunks?: number;
  /** When chunks were joined: the writer of the first one. When they were handed over: their last writer. */
  readonly other?: HolderId | undefined;
  /** Explanation in words. */
  readonly detail?: string;
}

export type Trail = (step: TrailStep) => void;
