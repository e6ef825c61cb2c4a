/** What every component can use: the feed and the navigation. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { type ClusterView, paths } from '../../feed.js';
import { momentOf, type Route } from '../routes.js';
import { address } from './api.js';
import type { FeedLine } from './feed-line.js';
import type { Navigation } from './navigation.js';
import { useObservable } from './observable.js';
import { useAnswer } from './use-answer.js';

export interface Inspector {
  readonly feed: FeedLine;
  readonly navigation: Navigation;
}

export const InspectorContext = createContext<Inspector | undefined>(undefined);

export function useInspector(): Inspector {
  const inspector = useContext(InspectorContext);
  if (inspector === undefined) throw new Error('a component outside of the page');
  return inspector;
}

export function useRoute(): Route {
  return useObservable(useInspector().navigation.route, (route) => route);
}

/** The shown moment of the past. Undefined: now. */
export function useMoment(): number | undefined {
  return useObservable(useInspector().navigation.route, momentOf);
}

export function useLiveCluster(): ClusterView | undefined {
  return useObservable(useInspector().feed.state, ({ cluster }) => cluster);
}

/** The cluster at the shown moment. */
export function useCluster(): { readonly cluster: ClusterView | undefined; readonly error: string | undefined } {
  const live = useLiveCluster();
  const atMs = useMoment();
  const then = useAnswer<ClusterView>(atMs === undefined ? undefined : address(paths.cluster, { atMs }));
  return atMs === undefined ? { cluster: live, error: undefined } : { cluster: then.value, error: then.error };
}
