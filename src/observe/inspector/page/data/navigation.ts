/** The page's place. The address is its only source. */
import { ADDRESS_MS } from '../limits.js';
import { formatRoute, home, momentOf, parseRoute, type Route, type ViewName } from '../routes.js';
import { Observable } from './observable.js';

export class Navigation {
  readonly route = new Observable<Route>(home);

  #writing: ReturnType<typeof setTimeout> | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;

  constructor() {
    const read = () => {
      // The user has moved on, so the pending change of the address is out of date.
      clearTimeout(this.#writing);
      this.#writing = undefined;
      this.route.set(parseRoute(location.hash));
    };
    window.addEventListener('hashchange', read);
    read();
  }

  get momentMs(): number | undefined {
    return momentOf(this.route.value);
  }

  /** The address of a view, at the shown moment. */
  href(view: ViewName, path: readonly string[] = [], query: Route['query'] = {}): string {
    const { at } = this.route.value.query;
    return formatRoute({ view, path, query: at === undefined ? query : { ...query, at } });
  }

  go(view: ViewName, path: readonly string[] = [], query: Route['query'] = {}): void {
    if (this.#writing !== undefined) this.#write();
    location.hash = this.href(view, path, query);
  }

  /** Changes part of the address without a step in the browser's history. An empty value removes the part. */
  change(query: Route['query'], path = this.route.value.path): void {
    const { view, query: before } = this.route.value;
    const kept = Object.entries({ ...before, ...query }).filter(([, value]) => value !== '');
    const route = { view, path, query: Object.fromEntries(kept) };
    this.route.set(route);
    if (this.#writing !== undefined) return;
    const restMs = this.#writtenMs + ADDRESS_MS - performance.now();
    if (restMs <= 0) this.#write();
    else this.#writing = setTimeout(() => this.#write(), restMs);
  }

  #write(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    this.#writtenMs = performance.now();
    history.replaceState(null, '', formatRoute(this.route.value));
  }

  /** Shows a moment of the past. Undefined: shows the present. */
  showMoment(atMs: number | undefined): void {
    this.change({ at: atMs === undefined ? '' : String(Math.round(atMs * 1000) / 1000) });
  }
}
