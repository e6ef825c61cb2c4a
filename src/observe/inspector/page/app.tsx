import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ClusterPage } from './cluster/cluster-page.js';
import { useInspector, useLiveCluster, useMoment, useRoute } from './data/inspector.js';
import { useObservable } from './data/observable.js';
import { ExplainPage } from './explain/explain-page.js';
import { Banners } from './frame/banners.js';
import { FaultsPanel } from './frame/faults-panel.js';
import { Header } from './frame/header.js';
import { listenToKeys } from './frame/keyboard.js';
import { KeysPanel } from './frame/keys-panel.js';
import type { Panel } from './frame/panel.js';
import { TimeBar } from './frame/time-bar.js';
import { MachinesPage } from './machines/machines-page.js';
import { RequestsPage } from './requests/requests-page.js';
import type { ViewName } from './routes.js';

const pages: Record<ViewName, () => preact.JSX.Element> = {
  cluster: ClusterPage,
  machines: MachinesPage,
  requests: RequestsPage,
  explain: ExplainPage,
};

export function App() {
  const { navigation, feed } = useInspector();
  const { view } = useRoute();
  const [panel, setPanel] = useState<Panel>(undefined);
  const main = useRef<HTMLElement>(null);
  const line = useObservable(feed.state, (state) => state.line);
  const source = useLiveCluster()?.source;
  const isPast = useMoment() !== undefined;
  // A recording and the past never become stale.
  const isStale = !isPast && source?.kind === 'live' && (line === 'lost' || source.state === 'disconnected');

  // A layout effect, so that the first key press is not lost.
  useLayoutEffect(() => listenToKeys(navigation, setPanel), [navigation]);
  useEffect(() => {
    document.title = `${view.charAt(0).toUpperCase()}${view.slice(1)} · kvferry inspector`;
  }, [view]);

  const Page = pages[view];
  return (
    <div class="frame">
      <button type="button" class="button skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <Header panel={panel} setPanel={setPanel} />
      <Banners />
      <main id="main" ref={main} tabIndex={-1} class={isStale ? 'view stale' : 'view'} aria-label={view}>
        <Page key={view} />
      </main>
      <TimeBar />
      {panel === 'faults' && <FaultsPanel close={() => setPanel(undefined)} />}
      {panel === 'keys' && <KeysPanel close={() => setPanel(undefined)} />}
    </div>
  );
}
