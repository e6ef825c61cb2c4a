/** Real time. */
import { performance } from 'node:perf_hooks';
import type { ClockPort } from '../ports/clock.js';

/** Node fires longer timers at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * Its timers keep the process alive, as timers do: whoever stops has to clear its own, and one that was forgotten shows
 * as a process that does not end.
 */
export class SystemClock implements ClockPort {
  now(): number {
    return performance.now();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return setTimeout(callback, Math.min(delayMs, DELAY_MS_MAX));
  }

  clearTimeout(handle: unknown): void {
    clearTimeout(handle as NodeJS.Timeout | undefined);
  }
}
