/** Calls that are repeated when no answer came. A second copy of such a call must change nothing. */
import type { ClockPort } from '../ports/clock.js';
import { isKvferryError } from '../protocol/errors.js';
import { pause } from './pause.js';

/** How long a call without an answer is repeated: long enough for several attempts. */
export const PATIENCE_MS = 10_000;
/** Time for one answer. */
export const CALL_TIMEOUT_MS = 2_000;
/** Between two attempts. */
const PAUSE_MS = 50;

/** No answer came, or the agent is away just now. */
export function isUnanswered(error: unknown): boolean {
  return isKvferryError(error, 'deadline_exceeded', 'disconnected', 'no_responders', 'publication_refused');
}

/** Rejects with the answer of the agent, or as the last attempt when the patience is over. */
export async function repeated<T>(clock: ClockPort, patienceMs: number, call: () => Promise<T>): Promise<T> {
  const untilMs = clock.now() + patienceMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isUnanswered(error) || clock.now() >= untilMs) throw error;
    }
    await pause(clock, PAUSE_MS);
  }
}
