/** The answer to a question, asked anew when the question changes, and again and again if wanted. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from './api.js';

export interface Answer<T> {
  /** Of the question now, or, while that is under way, of the one before. */
  readonly value: T | undefined;
  /** The question that `value` answers. */
  readonly of: string | undefined;
  readonly error: string | undefined;
  /** On the page's own clock, when `value` came. */
  readonly atMs: number;
}

const nothing: Answer<never> = { value: undefined, of: undefined, error: undefined, atMs: 0 };

/**
 * While a slider is dragged questions change faster than they are answered: the one under way is waited for, then the last
 * one is asked, so that something is seen all the time. Without a question nothing is asked.
 *
 * `again` changes when the answer is to be asked for anew.
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
        // What was seen goes on being seen while the same question fails for once.
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
