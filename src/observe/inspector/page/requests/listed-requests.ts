/** The rows of the list of requests. The ranks of one request are rows of their own, and stand below each other. */
import type { RequestView } from '../../feed.js';

export interface ListedRequest {
  readonly view: RequestView;
  /** The row above, or below, is another rank of the same request. */
  readonly isTiedAbove: boolean;
  readonly isTiedBelow: boolean;
}

/** Keeps the order of the requests. A request over several ranks has the place of its first row, and its ranks are in order. */
export function listedRequests(rows: readonly RequestView[]): ListedRequest[] {
  const groups: RequestView[][] = [];
  const ofRanks = new Map<string, RequestView[]>();
  for (const view of rows) {
    const group = ofRanks.get(view.request);
    if (view.rank !== undefined && group !== undefined && belongsTo(group, view)) {
      group.push(view);
      continue;
    }
    const begun = [view];
    groups.push(begun);
    if (view.rank !== undefined) ofRanks.set(view.request, begun);
  }
  return groups.flatMap((group) =>
    group
      .toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
      .map((view, index) => ({ view, isTiedAbove: index > 0, isTiedBelow: index < group.length - 1 })),
  );
}

/** The same rank under the same id is another attempt. */
function belongsTo(group: readonly RequestView[], { rank, rankCount }: RequestView): boolean {
  return group.every((other) => other.rankCount === rankCount && other.rank !== rank);
}
