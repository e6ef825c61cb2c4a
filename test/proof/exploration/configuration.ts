/** A configuration to explore: the requests, and the faults that may happen. */

/** How many faults of each kind may still happen. */
export interface Budget {
  /** A message is lost. */
  readonly loss: number;
  /** A message arrives twice. */
  readonly duplicate: number;
  /** A sender is killed. */
  readonly crash: number;
  /** A request is cancelled, at its sender or at the receiver. */
  readonly cancel: number;
  /** A deadline passes: that of a request at its sender or at the receiver, or that of a draining transfer. */
  readonly timeout: number;
  /** A write fails, either drained or with bytes that may still land. */
  readonly fabric: number;
}

export interface Configuration {
  readonly pages: number;
  /** For each sender, the keys of its batches. */
  readonly batches: readonly (readonly (readonly string[])[])[];
  readonly budget: Budget;
}

/** The one request of the sender with this number. */
export const requestOf = (sender: number) => ({ request: `r${sender}`, epoch: `e${sender}` });

/** The remote key of that connection of a sender. */
export const grantOf = (sender: number, connection: number) => `g${sender}-${connection}`;
