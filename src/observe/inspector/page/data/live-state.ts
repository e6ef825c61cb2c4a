/** The state from the feed, as plain data. Each change makes a new object. */
import type { ClusterView, EntryView, RequestView } from '../../feed.js';
import { AGENTS_REMEMBERED_MAX, RATE_POINTS_MAX, REQUESTS_KEPT_MAX } from '../limits.js';
import { mergeRequests } from './request-table.js';
import { throughputOf } from './throughput.js';

export type Line = 'connecting' | 'open' | 'lost';

export interface LiveState {
  readonly line: Line;
  readonly cluster: ClusterView | undefined;
  /** When `cluster` arrived, on the page's own clock. */
  readonly heardAtMs: number;
  /** Throughput of each agent, oldest first. */
  readonly rates: ReadonlyMap<string, readonly number[]>;
  /** Newest first. */
  readonly requests: readonly RequestView[];
}

export const nothingHeard: LiveState = {
  line: 'connecting',
  cluster: undefined,
  heardAtMs: 0,
  rates: new Map(),
  requests: [],
};

/** Messages of the feed since the last frame. */
export interface Pending {
  /** Oldest first. Only the throughput is taken of all but the last one. */
  readonly clusters: readonly ClusterView[];
  readonly requests: ReadonlyMap<string, RequestView>;
  readonly entries: readonly EntryView[];
}

export function takeIn(state: LiveState, pending: Pending, heardAtMs: number): LiveState {
  const { clusters, requests } = pending;
  let next = state;
  for (const cluster of clusters) next = { ...next, cluster, heardAtMs, rates: addRates(next.rates, cluster) };
  if (requests.size > 0) {
    next = { ...next, requests: mergeRequests(next.requests, requests.values(), REQUESTS_KEPT_MAX) };
  }
  return next;
}

function addRates(rates: LiveState['rates'], { agents }: ClusterView): LiveState['rates'] {
  const next = new Map<string, readonly number[]>();
  for (const view of agents.slice(0, AGENTS_REMEMBERED_MAX)) {
    next.set(view.agent, [...(rates.get(view.agent) ?? []), throughputOf(view)].slice(-RATE_POINTS_MAX));
  }
  return next;
}
