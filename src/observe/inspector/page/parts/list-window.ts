/** Which rows of a long list are drawn: those that are seen and a few around them, so that a list costs the same at any length. */

const ROWS_AROUND = 6;

export interface ListWindow {
  /** Index of the first row drawn, and of the one after the last. */
  readonly first: number;
  readonly end: number;
}

export function windowOf(rows: number, rowHeight: number, scrollTop: number, height: number): ListWindow {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - ROWS_AROUND);
  const end = Math.min(rows, Math.ceil((scrollTop + height) / rowHeight) + ROWS_AROUND);
  return { first: Math.min(first, end), end };
}

/** Where to scroll so that a row is wholly seen: nowhere if it is. */
export function scrollTo(index: number, rowHeight: number, scrollTop: number, height: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  return top + rowHeight > scrollTop + height ? top + rowHeight - height : scrollTop;
}
