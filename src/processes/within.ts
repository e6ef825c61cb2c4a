/** Nothing waits without limit. */
import { setTimeout as delay } from 'node:timers/promises';
import { KvferryError } from '../protocol/errors.js';

/** Between two looks at something that does not tell by itself. */
const POLL_INTERVAL_MS = 20;

/** Resolves with `work`, or rejects `deadline_exceeded` with the message `late`. */
export async function within<T>(timeoutMs: number, late: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KvferryError('deadline_exceeded', late)), timeoutMs);
    // A program that was ended does not wait for what it gave up.
    timer.unref();
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is not undefined. Undefined when there was none in time. */
export async function poll<T>(
  timeoutMs: number,
  look: () => Promise<T | undefined>,
  intervalMs = POLL_INTERVAL_MS,
): Promise<T | undefined> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined || performance.now() > deadlineMs) return answer;
    await delay(intervalMs);
  }
}
