/**
 * The clock port: the only source of time in kvferry, so tests and the simulator can control time. Times are in milliseconds.
 * The timer calls have the shape of XState's `Clock`, so the `after` delays of machines use the same time.
 */
export interface ClockPort {
  /** Milliseconds since an arbitrary start. Never goes back. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}
