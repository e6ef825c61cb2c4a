/**
 * The known state of a cluster, now and in the recent past: bounded, in memory. It keeps a ring of events and a snapshot of
 * the state before the oldest event. An event that leaves the ring is first applied to the snapshot.
 */
import type { ActorView, ClusterView, EntryView, RequestView } from '../feed.js';
import { ActorStates } from './actor-states.js';
import type { Happening } from './happening.js';
import { epochOf, RequestBook, type RequestQuery } from './request-book.js';
import { Ring } from './ring.js';

/** Most views: a quarter of an hour for a small cluster. */
const VIEWS_MAX = 900;
/** Most agents in all views together. */
const AGENT_VIEWS_MAX = 20_000;
/** Time between two stored views. */
const VIEW_INTERVAL_MS = 1000;
const HAPPENINGS_MAX = 100_000;

/** Receives new data. */
export interface HistoryListener {
  cluster?(view: ClusterView): void;
  entries?(entries: readonly EntryView[]): void;
  requests?(requests: readonly RequestView[]): void;
}

export interface EntryQuery {
  readonly agent?: string | undefined;
  readonly actor?: string | undefined;
  readonly request?: string | undefined;
  /** The epoch of the request. */
  readonly epoch?: string | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

class Situation {
  readonly actors: ActorStates;
  readonly requests: RequestBook;

  constructor(actors = new ActorStates(), requests = new RequestBook()) {
    this.actors = actors;
    this.requests = requests;
  }

  apply(happening: Happening): RequestView | undefined {
    this.actors.apply(happening);
    return this.requests.apply(happening);
  }
}

export class History {
  readonly #happenings: Ring<Happening>;
  readonly #viewIntervalMs: number;
  readonly #views = new Ring<ClusterView>(VIEWS_MAX);
  readonly #listeners = new Set<HistoryListener>();
  /** The state before the first of `#happenings`, and after the last. */
  readonly #before = new Situation();
  readonly #now = new Situation();
  #newest: ClusterView | undefined;

  /** `viewIntervalMs`: time between two stored views. */
  constructor(options: { readonly happeningsMax?: number; readonly viewIntervalMs?: number } = {}) {
    this.#happenings = new Ring(options.happeningsMax ?? HAPPENINGS_MAX);
    this.#viewIntervalMs = options.viewIntervalMs ?? VIEW_INTERVAL_MS;
  }

  /** The earliest time that can be shown. */
  get fromMs(): number | undefined {
    const times = [this.#happenings.first?.timeMs, this.#views.first?.timeMs].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Returns a function that ends the subscription. */
  listen(listener: HistoryListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addEntries(entries: readonly EntryView[]): void {
    if (entries.length === 0) return;
    const changed = new Set<RequestView>();
    for (const view of entries) {
      const request = this.#add({ kind: 'entry', timeMs: view.timeMs, view });
      if (request !== undefined) changed.add(request);
    }
    for (const listener of this.#listeners) {
      listener.entries?.(entries);
      if (changed.size > 0) listener.requests?.([...changed]);
    }
  }

  /** Follows one request in `oneIn` from now on. */
  sampled(oneIn: number, timeMs: number): void {
    this.#add({ kind: 'sampled', timeMs, oneIn });
  }

  gone(agent: string, agentEpoch: string, timeMs: number): void {
    this.#add({ kind: 'gone', timeMs, agent, agentEpoch });
  }

  /** Adds the live actors of an agent. */
  found(rows: readonly ActorView[], timeMs: number): void {
    if (rows.length > 0) this.#add({ kind: 'found', timeMs, rows });
  }

  addCluster(view: ClusterView): void {
    this.#newest = view;
    const lastMs = this.#views.last?.timeMs;
    if (lastMs === undefined || view.timeMs - lastMs >= this.#viewIntervalMs) this.#keep(view);
    for (const listener of this.#listeners) listener.cluster?.(view);
  }

  /** The cluster at that time; undefined for a time before the history. */
  cluster(atMs?: number): ClusterView | undefined {
    if (atMs === undefined || (this.#newest !== undefined && this.#newest.timeMs <= atMs)) return this.#newest;
    let found: ClusterView | undefined;
    for (const view of this.#views) {
      if (view.timeMs > atMs) break;
      found = view;
    }
    return found;
  }

  requests(query: RequestQuery, limit: number, atMs?: number): RequestView[] {
    return this.#at(atMs).requests.list(query, limit);
  }

  request(epoch: string, request: string, atMs?: number): RequestView | undefined {
    return this.#at(atMs).requests.find(epoch, request);
  }

  /** Actors as far as journals record them, without their contexts. */
  actors(atMs: number): ActorView[] {
    return this.#at(atMs).actors.rows(atMs);
  }

  /** The newest `limit` matching entries, ordered by time. */
  entries({ agent, actor, request, epoch, fromMs, toMs }: EntryQuery, limit: number): EntryView[] {
    const found: EntryView[] = [];
    for (const happening of this.#happenings) {
      if (happening.kind !== 'entry') continue;
      const { view } = happening;
      const { entry } = view;
      if (agent !== undefined && view.agent !== agent) continue;
      if (actor !== undefined && (entry.kind !== 'state' || entry.actor !== actor)) continue;
      if (request !== undefined && entry.request !== request) continue;
      if (epoch !== undefined && epochOf(view) !== epoch) continue;
      if (view.timeMs < (fromMs ?? Number.NEGATIVE_INFINITY) || view.timeMs > (toMs ?? Number.POSITIVE_INFINITY))
        continue;
      found.push(view);
    }
    return found.sort((a, b) => a.timeMs - b.timeMs).slice(-limit);
  }

  #add(happening: Happening): RequestView | undefined {
    const dropped = this.#happenings.push(happening);
    if (dropped !== undefined) this.#before.apply(dropped);
    return this.#now.apply(happening);
  }

  #keep(view: ClusterView): void {
    this.#views.push(view);
    // The history of a large cluster is shorter.
    const viewsMax = Math.max(1, Math.floor(AGENT_VIEWS_MAX / Math.max(1, view.agents.length)));
    this.#views.limit(viewsMax);
  }

  #at(atMs: number | undefined): Situation {
    if (atMs === undefined) return this.#now;
    const situation = new Situation(this.#before.actors.clone(), this.#before.requests.clone());
    const foundLater: Happening[] = [];
    for (const happening of this.#happenings) {
      if (happening.timeMs <= atMs) situation.apply(happening);
      else if (happening.kind === 'found') foundLater.push(happening);
    }
    // An actor that entered its state earlier was in it at that time.
    for (const happening of foundLater) situation.apply(happening);
    return situation;
  }
}
