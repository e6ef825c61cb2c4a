/** Whether the typed error of a request whose receiver was killed came too late. */

/**
 * An agent notices a death within three heartbeats, and one attempt to ask for the end takes two. A request that has less time than
 * that fails soon after its deadline: its receiver cannot report the end any more.
 */
const NOTICE_HEARTBEATS = 5;

/** Times of one clock, in milliseconds. */
export interface ReceiverDeath {
  readonly diedMs: number;
  /** The error of the request was heard. */
  readonly heardMs: number;
  readonly deadlineMs: number;
}

export function isLate({ diedMs, heardMs, deadlineMs }: ReceiverDeath, heartbeatMs: number): boolean {
  return heardMs > Math.max(deadlineMs, diedMs + NOTICE_HEARTBEATS * heartbeatMs);
}
