/** The view of `top`, and how keys change it. */

export const sorts = ['age', 'chunks', 'agent', 'state'] as const;
export type Sort = (typeof sorts)[number];

export type Panel = 'all' | 'agents' | 'requests';

export interface View {
  readonly panel: Panel;
  /** Order of the requests. */
  readonly sort: Sort;
  /** Only agents and requests that contain this text are shown. */
  readonly filter: string;
  /** The filter while the user types it. */
  readonly typing: string | undefined;
  readonly isPaused: boolean;
  /** Number of rows above the screen. */
  readonly scroll: number;
}

export const firstView: View = {
  panel: 'all',
  sort: 'age',
  filter: '',
  typing: undefined,
  isPaused: false,
  scroll: 0,
};

export const help = 'q quit  p pause  1 all  2 agents  3 requests  s sort  f filter  ↑↓ scroll';

const FILTER_LENGTH_MAX = 64;
const SCROLL_MAX = 100_000;
const PAGE_ROWS = 10;
const panels: Readonly<Record<string, Panel>> = { '1': 'all', '2': 'agents', '3': 'requests' };

/** The view after a key press, or `quit`. */
export function press(view: View, key: string): View | 'quit' {
  if (view.typing !== undefined) return typed(view, view.typing, key);
  const panel = panels[key];
  if (panel !== undefined) return { ...view, panel, scroll: 0 };
  switch (key) {
    case 'q':
      return 'quit';
    case 'p':
    case ' ':
      return { ...view, isPaused: !view.isPaused };
    case 's':
      return { ...view, sort: sorts[(sorts.indexOf(view.sort) + 1) % sorts.length] ?? 'age', scroll: 0 };
    case 'f':
    case '/':
      return { ...view, typing: view.filter };
    case 'escape':
      return { ...view, filter: '', scroll: 0 };
    case 'up':
    case 'k':
      return scrolled(view, -1);
    case 'down':
    case 'j':
      return scrolled(view, 1);
    case 'pageup':
      return scrolled(view, -PAGE_ROWS);
    case 'pagedown':
      return scrolled(view, PAGE_ROWS);
    case 'home':
      return { ...view, scroll: 0 };
    default:
      return view;
  }
}

function scrolled(view: View, rows: number): View {
  return { ...view, scroll: Math.min(SCROLL_MAX, Math.max(0, view.scroll + rows)) };
}

function typed(view: View, text: string, key: string): View {
  if (key === 'return' || key === 'enter') return { ...view, filter: text.trim(), typing: undefined, scroll: 0 };
  if (key === 'escape') return { ...view, typing: undefined };
  if (key === 'backspace') return { ...view, typing: text.slice(0, -1) };
  if (key.length === 1 && text.length < FILTER_LENGTH_MAX) return { ...view, typing: text + key };
  return view;
}
