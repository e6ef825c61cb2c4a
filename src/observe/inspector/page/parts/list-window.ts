/** The rows of a long list to draw: the visible ones and a few around them. So a list of any length costs the same. */

const ROWS_AROUND = 6;

export interface ListWindow {
  /** Index of the first drawn row, and of the row after the last. */
  readonly first: number;
  readonly end: number;
}

export function windowOf(rows: number, rowHeight: number, scrollTop: number, height: number): ListWindow {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - ROWS_AROUND);
  const end = Math.min(rows, Math.ceil((scrollTop + height) / rowHeight) + ROWS_AROUND);
  return { first: Math.min(first, end), end };
}

/** The scroll position at which the row is fully visible. Unchanged if it is visible already. */
export function scrollTo(index: number, rowHeight: number, scrollTop: number, height: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  return top + rowHeight > scrollTop + height ? top + rowHeight - height : scrollTop;
}
