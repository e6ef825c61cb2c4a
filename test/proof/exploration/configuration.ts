/** What is explored: who puts what, and how much may go wrong. */

/** How often each fault may still happen. */
export interface Budget {
  /** A message does not arrive. */
  readonly loss: number;
  /** A message arrives, and will once more. */
  readonly duplicate: number;
  /** A sender is killed. */
  readonly crash: number;
  /** A request is cancelled, at its sender or at the receiver. */
  readonly cancel: number;
  /** A deadline passes: of a request at its sender, at the receiver, or of a transfer that drains. */
  readonly timeout: number;
  /** A write fails: surely, or so that more may land. */
  readonly fabric: number;
}

export interface Configuration {
  readonly pages: number;
  /** For each sender, the keys of its batches. */
  readonly batches: readonly (readonly (readonly string[])[])[];
  readonly budget: Budget;
}

/** The sender with this number puts one request. */
export const requestOf = (sender: number) => ({ request: `r${sender}`, epoch: `e${sender}` });

/** The remote key of a connection of a sender. */
export const grantOf = (sender: number, connection: number) => `g${sender}-${connection}`;
