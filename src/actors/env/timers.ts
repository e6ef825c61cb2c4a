/** Waiting on the clock of the agent. */
import type { ClockPort } from '../../ports/clock.js';

/** Resolves after `delayMs`. */
export function sleep(clock: ClockPort, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, delayMs));
}

/** Resolves when `work` does, or after `timeoutMs`. The work then goes on, but the caller no longer waits for it. */
export async function atMost(clock: ClockPort, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: unknown;
  const late = new Promise<void>((resolve) => {
    timer = clock.setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]);
  clock.clearTimeout(timer);
}
