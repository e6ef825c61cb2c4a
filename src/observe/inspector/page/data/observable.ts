/** A value with observers. A component is redrawn when the part that it observes has changed. */
import { useLayoutEffect, useReducer, useRef } from 'preact/hooks';

export class Observable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  /** Returns a function that ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

export function useObservable<T, S>(observable: Observable<T>, select: (value: T) => S): S {
  const [, redraw] = useReducer((times: number, _: undefined) => times + 1, 0);
  const selected = select(observable.value);
  const drawn = useRef({ select, selected });
  drawn.current = { select, selected };
  useLayoutEffect(() => {
    const look = () => {
      const now = drawn.current.select(observable.value);
      if (!Object.is(now, drawn.current.selected)) redraw(undefined);
    };
    // The value may have changed since the component was drawn.
    look();
    return observable.subscribe(look);
  }, [observable]);
  return selected;
}
