import { useInspector, useLiveCluster } from '../data/inspector.js';
import { useObservable } from '../data/observable.js';
import { clockTime, count } from '../format.js';

/** Warnings about the page's data: it is old, or incomplete. */
export function Banners() {
  const { feed } = useInspector();
  const line = useObservable(feed.state, (state) => state.line);
  const cluster = useLiveCluster();
  const source = cluster?.source;
  return (
    <div class="banners" aria-live="polite">
      {line === 'lost' && (
        <p class="banner tone-bad" role="alert">
          <strong>No connection to the inspector.</strong>{' '}
          {cluster === undefined ? '' : `What you see is from ${clockTime(cluster.timeMs, false)}. `}
          Trying again; is <code>kvferry inspect</code> still running?
        </p>
      )}
      {line === 'open' && source?.state === 'disconnected' && (
        <p class="banner tone-bad" role="alert">
          <strong>The inspector has lost NATS at {source.name}.</strong> Agents go on without it; what you see is old.
          It connects again by itself.
        </p>
      )}
      {source !== undefined && source.oneIn > 1 && (
        <p class="banner tone-work">
          <strong>Sampled: 1 request in {count(source.oneIn)} is shown.</strong> At this rate, showing all would cost
          the agents throughput. Counts and rates of agents are of all requests.
        </p>
      )}
      {source !== undefined && source.missed > 0 && (
        <p class="banner tone-warn">
          <strong>{count(source.missed)} entries were missed:</strong> they came faster than they could be fetched. Some
          requests are shown with gaps.
        </p>
      )}
    </div>
  );
}
