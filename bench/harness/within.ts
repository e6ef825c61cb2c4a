/** Nothing in the benchmark waits without limit. */
import { setTimeout as delay } from 'node:timers/promises';
import { KvferryError } from '../../src/protocol/errors.js';

/** Resolves with `work`, or rejects `deadline_exceeded` with the message `late`. */
export async function within<T>(timeoutMs: number, late: string, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const deadline = delay(timeoutMs, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new KvferryError('deadline_exceeded', late);
  });
  // The loser of the race rejects when the timer is put away.
  deadline.catch(() => undefined);
  try {
    return await Promise.race([work, deadline]);
  } finally {
    timer.abort();
  }
}

/** Asks every `intervalMs` until the answer is not undefined. Rejects `deadline_exceeded` when there was none in time. */
export async function poll<T>(
  { timeoutMs, intervalMs, late }: { readonly timeoutMs: number; readonly intervalMs: number; readonly late: string },
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined) return answer;
    if (performance.now() > deadlineMs) throw new KvferryError('deadline_exceeded', late);
    await delay(intervalMs);
  }
}
