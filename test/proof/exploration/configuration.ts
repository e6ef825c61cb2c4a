/** A configuration to explore: the requests, and the faults that may happen. */
import type { Budget } from './faults.js';

export interface Configuration {
  readonly pages: number;
  /** For each sender, the keys of its batches. */
  readonly batches: readonly (readonly (readonly string[])[])[];
  /** Senders whose requests are put without a receiver. A router names it later. */
  readonly offered?: readonly number[];
  readonly budget: Budget;
}

/** The one request of the sender with this number. */
export const requestOf = (sender: number) => ({ request: `r${sender}`, epoch: `e${sender}` });

/** The remote key of that connection of a sender. */
export const grantOf = (sender: number, connection: number) => `g${sender}-${connection}`;
