/** The clock port on the system's monotonic clock. */
import { performance } from 'node:perf_hooks';
import type { ClockPort } from '../ports/clock.js';

/** Node fires timers with a longer delay at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * Its timers keep the process alive. Each owner must clear its timers when it stops. A forgotten timer shows as a process
 * that does not end.
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
