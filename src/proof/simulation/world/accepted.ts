/** A request whose first batch an agent has accepted. */

/** The agents that move a request, or one rank of a request. */
export interface Part {
  readonly sender: string;
  readonly receiver: string;
  /** Epoch of the sender. */
  readonly epoch: string;
}

export interface Accepted {
  readonly name: string;
  readonly request: string;
  /** One part. For a request over several ranks, one part for each accepted rank. */
  readonly parts: readonly Part[];
  readonly acceptedMs: number;
  /** When the last batch of every rank was accepted. Infinite before. */
  readonly completeMs: number;
  /** Deadline by the world's clock. For a request over several ranks, the latest deadline of its ranks. */
  readonly deadlineMs: number;
  /** The earliest deadline of its ranks, by any clock in the world. */
  readonly earliestMs: number;
}
