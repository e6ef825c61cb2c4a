/**
 * The clock port: all time in kvferry comes from here, so that tests and the simulator can own it. Milliseconds,
 * monotonic. The shape of the timer calls is XState's `Clock`, so that machines' `after` delays run on the same time.
 */
export interface ClockPort {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}
