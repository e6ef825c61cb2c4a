/**
 * The clock port: the only source of time in kvferry, so that tests and the simulator control it. Milliseconds,
 * monotonic. The timer calls have the shape of XState's `Clock`, so the machines' `after` delays run on the same time.
 */
export interface ClockPort {
  /** Milliseconds since an arbitrary start. Never decreases. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}
