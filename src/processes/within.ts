/** Bounded waits. Each limit is as long as `patience.ts` makes it. */
import { setTimeout as delay } from 'node:timers/promises';
import { KvferryError } from '../protocol/errors.js';
import { patient } from './patience.js';

/** Default time between two looks of `poll`. */
const POLL_INTERVAL_MS = 20;

/**
 * Resolves with `work`, or rejects `deadline_exceeded` with the message `late`, which may be made when it is needed.
 */
export async function within<T>(timeoutMs: number, late: string | (() => string), work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const reason = () => (typeof late === 'string' ? late : late());
    timer = setTimeout(() => reject(new KvferryError('deadline_exceeded', reason())), patient(timeoutMs));
    // The timer must not keep a program running that was asked to end.
    timer.unref();
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `look` repeatedly until its answer is not undefined. Resolves with undefined when there was none in time. */
export async function poll<T>(
  timeoutMs: number,
  look: () => Promise<T | undefined>,
  intervalMs = POLL_INTERVAL_MS,
): Promise<T | undefined> {
  const deadlineMs = performance.now() + patient(timeoutMs);
  for (;;) {
    const answer = await look();
    if (answer !== undefined || performance.now() > deadlineMs) return answer;
    await delay(intervalMs);
  }
}
