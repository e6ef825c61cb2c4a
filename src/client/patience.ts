/** Repeats what failed because an agent was away or an answer was lost. */
import type { ClockPort } from '../ports/clock.js';
import { isKvferryError, type KvferryError } from '../protocol/errors.js';

const PAUSE_MS = 50;

export interface Patience {
  readonly clock: ClockPort;
  /** How long to repeat; 0: one attempt. Milliseconds. */
  readonly patienceMs: number;
}

/**
 * Calls `attempt` until it resolves. Rejects with its last error when time is over, and at once with an error that
 * `isPassing` does not accept.
 */
export async function patiently<T>(
  { clock, patienceMs }: Patience,
  isPassing: (error: KvferryError) => boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  const untilMs = clock.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isKvferryError(error) || !isPassing(error) || clock.now() >= untilMs) throw error;
    }
    await new Promise<void>((resolve) => void clock.setTimeout(resolve, PAUSE_MS));
  }
}

/** The message may have been carried out although no answer came. */
export function isAnswerLost(error: KvferryError): boolean {
  return isKvferryError(error, 'deadline_exceeded', 'disconnected');
}
