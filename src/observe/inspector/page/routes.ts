/** The address, after `#`, says what the page shows. So links can be shared, and the browser's Back works. */

export const views = ['cluster', 'machines', 'requests', 'explain'] as const;
export type ViewName = (typeof views)[number];

export interface Route {
  readonly view: ViewName;
  /** The selected object of the view: `<epoch>`, `<request>`. */
  readonly path: readonly string[];
  /** Filters, and `at`: the shown moment of the past, in milliseconds. */
  readonly query: Readonly<Record<string, string>>;
}

export const home: Route = { view: 'cluster', path: [], query: {} };

function isView(name: string | undefined): name is ViewName {
  return views.some((view) => view === name);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // The address was written by hand.
    return part;
  }
}

/** An unknown address leads to the first view. */
export function parseRoute(hash: string): Route {
  const [place = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, ...path] = place.split('/').map(decoded);
  if (!isView(view)) return home;
  return { view, path: path.filter((part) => part !== ''), query: Object.fromEntries(new URLSearchParams(search)) };
}

export function formatRoute({ view, path, query }: Route): string {
  const place = [view, ...path].map(encodeURIComponent).join('/');
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  return `#/${place}${search === '' ? '' : `?${search}`}`;
}

/** The shown moment. Undefined: now. */
export function momentOf(route: Route): number | undefined {
  const { at } = route.query;
  const atMs = at === undefined ? Number.NaN : Number(at);
  return Number.isFinite(atMs) ? atMs : undefined;
}
