import { useEffect, useReducer } from 'preact/hooks';

/** Redraws a component periodically while `runs`, for running times. Returns the page's own clock, in milliseconds. */
export function useTick(everyMs: number, runs = true): number {
  const [, redraw] = useReducer((times: number, _: undefined) => times + 1, 0);
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) redraw(undefined);
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, runs]);
  return performance.now();
}
