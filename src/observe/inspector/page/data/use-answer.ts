/** The answer to a question. The page asks again when the question changes, and periodically on request. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from './api.js';

export interface Answer<T> {
  /** The answer to the current question or, until it arrives, to the previous one. */
  readonly value: T | undefined;
  /** The question that `value` answers. */
  readonly of: string | undefined;
  readonly error: string | undefined;
  /** When `value` arrived, on the page's own clock. */
  readonly atMs: number;
}

const nothing: Answer<never> = { value: undefined, of: undefined, error: undefined, atMs: 0 };

/**
 * While the user drags a slider, questions change faster than the server answers. The page waits for the pending answer
 * and then asks the latest question, so that it always shows an answer. Without a question it asks nothing.
 *
 * A change of `again` repeats the question.
 */
export function useAnswer<T>(question: string | undefined, everyMs?: number, again?: unknown): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>(nothing);
  const wanted = useRef({ question, everyMs });
  const wake = useRef<() => void>(() => undefined);
  wanted.current = { question, everyMs };

  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let busy = false;
    let asked: string | undefined;
    const turn = async () => {
      clearTimeout(timer);
      if (busy || gone.signal.aborted) return;
      const { question: now } = wanted.current;
      if (now === undefined) {
        asked = undefined;
        setAnswer(nothing);
        return;
      }
      busy = true;
      asked = now;
      try {
        const value = await ask<T>(now, gone.signal);
        if (!gone.signal.aborted) setAnswer({ value, of: now, error: undefined, atMs: performance.now() });
      } catch (error) {
        if (gone.signal.aborted) return;
        const text = error instanceof Error ? error.message : String(error);
        // The previous answer stays visible if the same question fails once.
        setAnswer((before) => (before.of === now ? { ...before, error: text } : { ...nothing, of: now, error: text }));
      }
      busy = false;
      const { question: next, everyMs: pause } = wanted.current;
      if (next !== asked) void turn();
      else if (pause !== undefined) timer = setTimeout(() => void turn(), pause);
    };
    wake.current = () => void turn();
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, []);

  useEffect(() => wake.current(), [question, everyMs, again]);
  return answer;
}
