import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { scrollTo, windowOf } from './list-window.js';

export interface VirtualListProps<T> {
  readonly items: readonly T[];
  /** Pixels; every row has the same. */
  readonly rowHeight: number;
  readonly label: string;
  readonly keyOf: (item: T) => string;
  readonly selected: string | undefined;
  readonly select: (item: T) => void;
  readonly row: (item: T) => ComponentChildren;
  /** Somebody is reading it: the pointer or the focus is in it, or it is scrolled. */
  readonly onHold?: (held: boolean) => void;
  /** When this changes, it is shown from its first row. */
  readonly fromTop?: number;
}

/** A list of any length that costs what is seen of it. Arrow keys, Page Up and Down, Home and End move what is selected. */
export function VirtualList<T>(props: VirtualListProps<T>) {
  const { items, rowHeight, label, keyOf, selected, select, row, onHold, fromTop } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [isTouched, setTouched] = useState(false);
  const selectedIndex = selected === undefined ? -1 : items.findIndex((item) => keyOf(item) === selected);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const measure = () => setView((before) => ({ ...before, height: element.clientHeight }));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => box.current?.scrollTo({ top: 0 }), [fromTop]);

  const isHeld = isTouched || view.top > 0;
  useEffect(() => onHold?.(isHeld), [isHeld, onHold]);

  const move = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: selectedIndex + 1,
      ArrowUp: Math.max(0, selectedIndex - 1),
      PageDown: selectedIndex + page,
      PageUp: Math.max(0, selectedIndex - page),
      Home: 0,
      End: items.length - 1,
    };
    const wanted = steps[event.key];
    if (wanted === undefined || items.length === 0) return;
    event.preventDefault();
    const index = Math.min(items.length - 1, wanted);
    const item = items[index];
    if (item === undefined || box.current === null) return;
    box.current.scrollTop = scrollTo(index, rowHeight, box.current.scrollTop, view.height);
    select(item);
  };

  const { first, end } = windowOf(items.length, rowHeight, view.top, view.height);
  const idOf = (key: string) => `row-${key.replaceAll(/[^\w-]/g, '_')}`;
  return (
    <div
      ref={box}
      class="list"
      role="listbox"
      aria-label={label}
      tabIndex={0}
      aria-activedescendant={selectedIndex >= first && selectedIndex < end ? idOf(selected ?? '') : undefined}
      onScroll={(event) => {
        const top = event.currentTarget.scrollTop;
        setView((before) => ({ ...before, top }));
      }}
      onKeyDown={move}
      onPointerEnter={() => setTouched(true)}
      onPointerLeave={() => setTouched(box.current?.matches(':focus-visible') === true)}
      onFocus={() => setTouched(true)}
      onBlur={() => setTouched(box.current?.matches(':hover') === true)}
    >
      <div class="list-space" style={{ height: `${items.length * rowHeight}px` }}>
        {items.slice(first, end).map((item, offset) => {
          const key = keyOf(item);
          const index = first + offset;
          return (
            // biome-ignore lint/a11y/useFocusableInteractive lint/a11y/useKeyWithClickEvents: the list has the focus and the keys, and names the active row.
            <div
              key={key}
              id={idOf(key)}
              class="row"
              role="option"
              aria-selected={index === selectedIndex}
              aria-setsize={items.length}
              aria-posinset={index + 1}
              style={{ height: `${rowHeight}px`, transform: `translateY(${index * rowHeight}px)` }}
              onClick={() => select(item)}
            >
              {row(item)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
