/** The requests of the feed, newest first, up to a limit. */
import type { RequestView } from '../../feed.js';

export function keyOfRequest({ epoch, request }: Pick<RequestView, 'epoch' | 'request'>): string {
  return `${epoch}/${request}`;
}

function newestFirst(a: RequestView, b: RequestView): number {
  return b.startedMs - a.startedMs || (keyOfRequest(a) < keyOfRequest(b) ? -1 : 1);
}

/** The table with the newer rows of `changed`. Drops the oldest rows beyond `max`. */
export function mergeRequests(
  table: readonly RequestView[],
  changed: Iterable<RequestView>,
  max: number,
): RequestView[] {
  const rows = new Map(table.map((row) => [keyOfRequest(row), row]));
  for (const row of changed) {
    const key = keyOfRequest(row);
    const known = rows.get(key);
    if (known === undefined || known.changedMs <= row.changedMs) rows.set(key, row);
  }
  return [...rows.values()].sort(newestFirst).slice(0, max);
}

/**
 * Keeps a list still while a person reads it: the same rows in the same places, with their current content. `held`: the
 * keys of those rows.
 */
export function heldRows(
  table: readonly RequestView[],
  held: readonly string[],
): { readonly rows: RequestView[]; readonly newer: number } {
  const rows = new Map(table.map((row) => [keyOfRequest(row), row]));
  const first = rows.get(held.find((key) => rows.has(key)) ?? '');
  return {
    rows: held.map((key) => rows.get(key)).filter((row) => row !== undefined),
    newer: first === undefined ? table.length : table.filter((row) => newestFirst(row, first) < 0).length,
  };
}
