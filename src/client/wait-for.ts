import type { ClockPort } from '../ports/clock.js';
import { KvferryError } from '../protocol/errors.js';

export interface WaitOptions {
  /** How long to wait at most. Milliseconds. */
  readonly timeoutMs?: number;
  /** Ends the wait with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** Resolves with `work`. Rejects `deadline_exceeded` with the message `late`, or with the reason of the signal. */
export async function waitFor<T>(
  work: Promise<T>,
  late: string,
  clock: ClockPort,
  { timeoutMs, signal }: WaitOptions & { readonly timeoutMs: number },
): Promise<T> {
  signal?.throwIfAborted();
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    const timer = clock.setTimeout(() => reject(new KvferryError('deadline_exceeded', late)), timeoutMs);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    stop = () => {
      clock.clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    stop();
  }
}
