import type { ClockPort } from '../ports/clock.js';

/** Resolves after `delayMs` on `clock`, or as soon as `signal` is aborted. Leaves no listener and no timer behind. */
export function pause(clock: ClockPort, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimeout(end, Math.max(0, delayMs));
    signal.addEventListener('abort', end, { once: true });
  });
}
