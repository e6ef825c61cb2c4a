/** What the store did with chunks and their pages, told while it does it: for those who look. Nothing depends on it. */
import type { StoreAction } from '../protocol/observation.js';
import type { HolderId } from './holder.js';

export interface TrailStep {
  readonly action: StoreAction;
  readonly holder?: HolderId;
  readonly batch?: number;
  readonly keys: readonly string[];
  /** Which of `keys` it is about; undefined: all. */
  readonly positions?: readonly number[];
  /** One for each of those. */
  readonly pages?: readonly number[];
  /** When it is about chunks whose keys are not at hand. */
  readonly chunks?: number;
  /** Of what was joined: who writes it (the first of it). Of what was handed over: who should have written it. */
  readonly other?: HolderId | undefined;
  /** For people. */
  readonly detail?: string;
}

export type Trail = (step: TrailStep) => void;
