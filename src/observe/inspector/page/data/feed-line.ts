/** The connection to the server: one event source for the whole page, reopened whenever it breaks. */
import { type EntryView, type Feed, paths, type RequestView } from '../../feed.js';
import { ENTRIES_PENDING_MAX, RATE_POINTS_MAX, RECONNECT_MS, REQUESTS_KEPT_MAX, SILENCE_MS_MAX } from '../limits.js';
import { FrameBatch } from './frame-batch.js';
import { type Line, nothingHeard, takeIn } from './live-state.js';
import { Observable } from './observable.js';
import { keyOfRequest } from './request-table.js';

type EntriesListener = (entries: readonly EntryView[]) => void;

export class FeedLine {
  readonly state = new Observable(nothingHeard);
  /** Number of gaps in the feed. After a gap, a component that shows a list must ask for it again. */
  readonly dropped = new Observable(0);
  readonly #listeners = new Set<EntriesListener>();
  readonly #batch = new FrameBatch(() => this.#flush());
  #source: EventSource | undefined;
  #reopening: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #clusters: Feed['cluster'][] = [];
  #requests = new Map<string, RequestView>();
  #entries: EntryView[] = [];

  open(): void {
    document.addEventListener('visibilitychange', () => this.#batch.renew());
    this.#connect();
  }

  /** Calls `listener` with new entries, at most once a frame. Returns a function that ends it. */
  onEntries(listener: EntriesListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Adds rows from the answer to a question to those of the feed. */
  learn(requests: readonly RequestView[]): void {
    for (const request of requests) this.#addRequest(request);
    this.#batch.request();
  }

  #connect(): void {
    this.#source?.close();
    const source = new EventSource(paths.feed);
    this.#source = source;
    const on = <K extends keyof Feed>(name: K, take: (value: Feed[K]) => void) => {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        take(JSON.parse(event.data) as Feed[K]);
        this.#heard();
        this.#batch.request();
      });
    };
    on('cluster', (cluster) => {
      this.#clusters.push(cluster);
      if (this.#clusters.length > RATE_POINTS_MAX) this.#clusters.shift();
    });
    on('requests', (requests) => {
      for (const request of requests) this.#addRequest(request);
    });
    on('entries', (entries) => {
      this.#entries.push(...entries);
      if (this.#entries.length > ENTRIES_PENDING_MAX) this.#entries = this.#entries.slice(-ENTRIES_PENDING_MAX);
    });
    on('dropped', () => this.dropped.set(this.dropped.value + 1));
    source.addEventListener('open', () => this.#heard());
    source.addEventListener('error', () => {
      this.#setLine('lost');
      if (source.readyState === EventSource.CLOSED) this.#reconnectSoon();
    });
    this.#watchSilence();
  }

  #addRequest(request: RequestView): void {
    const key = keyOfRequest(request);
    this.#requests.delete(key);
    this.#requests.set(key, request);
    if (this.#requests.size <= REQUESTS_KEPT_MAX) return;
    const [oldest] = this.#requests.keys();
    if (oldest !== undefined) this.#requests.delete(oldest);
  }

  #heard(): void {
    this.#setLine('open');
    this.#watchSilence();
  }

  /** Detects a connection that died without an error. A recording that was read is silent too, and is not checked. */
  #watchSilence(): void {
    clearTimeout(this.#silence);
    const cluster = this.#clusters.at(-1) ?? this.state.value.cluster;
    if (cluster?.source.kind === 'recording') return;
    this.#silence = setTimeout(() => {
      this.#setLine('lost');
      this.#reconnectSoon();
    }, SILENCE_MS_MAX);
  }

  #reconnectSoon(): void {
    clearTimeout(this.#reopening);
    this.#reopening = setTimeout(() => this.#connect(), RECONNECT_MS);
  }

  #setLine(line: Line): void {
    if (this.state.value.line !== line) this.state.set({ ...this.state.value, line });
  }

  #flush(): void {
    const pending = { clusters: this.#clusters, requests: this.#requests, entries: this.#entries };
    this.#clusters = [];
    this.#requests = new Map();
    this.#entries = [];
    this.state.set(takeIn(this.state.value, pending, performance.now()));
    if (pending.entries.length > 0) for (const listener of this.#listeners) listener(pending.entries);
  }
}
