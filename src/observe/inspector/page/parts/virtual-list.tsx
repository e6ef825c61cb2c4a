import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { scrollTo, windowOf } from './list-window.js';

export interface VirtualListProps<T> {
  readonly items: readonly T[];
  /** Height of every row, in pixels. */
  readonly rowHeight: number;
  readonly label: string;
  readonly keyOf: (item: T) => string;
  readonly selected: string | undefined;
  readonly select: (item: T) => void;
  readonly row: (item: T) => ComponentChildren;
  /** The row as text for screen readers. Default: its content. */
  readonly describe?: (item: T) => string;
  /** Called with true while a person reads the list: it has the pointer or the focus, or it is scrolled. */
  readonly onHold?: (held: boolean) => void;
  /** A change scrolls the list to its first row. */
  readonly fromTop?: number;
}

/** A list that renders only its visible rows. Arrow keys, Page Up and Down, Home and End move the selection. */
export function VirtualList<T>(props: VirtualListProps<T>) {
  const { items, rowHeight, label, keyOf, selected, select, row, describe, onHold, fromTop } = props;
  const box = useRef<HTMLDivElement>(null);
  const { view, setTop } = useView(box);
  const [isTouched, setTouched] = useState(false);
  const selectedIndex = selected === undefined ? -1 : items.findIndex((item) => keyOf(item) === selected);

  useEffect(() => box.current?.scrollTo({ top: 0 }), [fromTop]);

  const isHeld = isTouched || view.top > 0;
  useEffect(() => onHold?.(isHeld), [isHeld, onHold]);

  const move = (event: KeyboardEvent) => {
    const index = indexAfter(event.key, selectedIndex, items.length, Math.floor(view.height / rowHeight));
    const item = index === undefined ? undefined : items[index];
    if (index === undefined || item === undefined || box.current === null) return;
    event.preventDefault();
    box.current.scrollTop = scrollTo(index, rowHeight, box.current.scrollTop, view.height);
    select(item);
  };

  const { first, end } = windowOf(items.length, rowHeight, view.top, view.height);
  return (
    <div
      ref={box}
      class="list"
      role="listbox"
      aria-label={label}
      tabIndex={0}
      aria-activedescendant={selectedIndex >= first && selectedIndex < end ? idOf(selected ?? '') : undefined}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={move}
      onPointerEnter={() => setTouched(true)}
      onPointerLeave={() => setTouched(box.current?.matches(':focus-visible') === true)}
      onFocus={() => setTouched(true)}
      onBlur={() => setTouched(box.current?.matches(':hover') === true)}
    >
      <div class="list-space" style={{ height: `${items.length * rowHeight}px` }}>
        {items.slice(first, end).map((item, offset) => {
          const [key, index] = [keyOf(item), first + offset];
          const place = { index, count: items.length, rowHeight, isSelected: index === selectedIndex };
          return (
            <Option key={key} id={idOf(key)} label={describe?.(item)} place={place} select={() => select(item)}>
              {row(item)}
            </Option>
          );
        })}
      </div>
    </div>
  );
}

/** The visible part of the list, in pixels. */
function useView(box: RefObject<HTMLDivElement | null>) {
  const [view, setView] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const measure = () => setView((before) => ({ ...before, height: element.clientHeight }));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  return { view, setTop: (top: number) => setView((before) => ({ ...before, top })) };
}

interface OptionProps {
  readonly id: string;
  readonly label: string | undefined;
  readonly place: {
    readonly index: number;
    readonly count: number;
    readonly rowHeight: number;
    readonly isSelected: boolean;
  };
  readonly select: () => void;
  readonly children: ComponentChildren;
}

function Option({ id, label, place: { index, count, rowHeight, isSelected }, select, children }: OptionProps) {
  return (
    // biome-ignore lint/a11y/useFocusableInteractive lint/a11y/useKeyWithClickEvents: the list has the focus and the keys, and names the active row.
    <div
      id={id}
      class="row"
      role="option"
      aria-label={label}
      aria-selected={isSelected}
      aria-setsize={count}
      aria-posinset={index + 1}
      style={{ height: `${rowHeight}px`, transform: `translateY(${index * rowHeight}px)` }}
      onClick={select}
    >
      {children}
    </div>
  );
}

function idOf(key: string): string {
  return `row-${key.replaceAll(/[^\w-]/g, '_')}`;
}

/** The index that a key selects. Undefined for a key that does not move the selection. */
function indexAfter(key: string, index: number, count: number, rowsSeen: number): number | undefined {
  const page = Math.max(1, rowsSeen - 1);
  const indexes: Readonly<Record<string, number>> = {
    ArrowDown: index + 1,
    ArrowUp: Math.max(0, index - 1),
    PageDown: index + page,
    PageUp: Math.max(0, index - page),
    Home: 0,
    End: count - 1,
  };
  const wanted = indexes[key];
  return wanted === undefined || count === 0 ? undefined : Math.min(count - 1, wanted);
}
