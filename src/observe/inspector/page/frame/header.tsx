import type { SourceView } from '../../feed.js';
import { useInspector, useLiveCluster, useRoute } from '../data/inspector.js';
import type { Line } from '../data/live-state.js';
import { useObservable } from '../data/observable.js';
import { Icon } from '../parts/icon.js';
import { views } from '../routes.js';
import type { Tone } from '../tones.js';
import type { Panel } from './panel.js';
import { toggleTheme } from './theme.js';

export interface HeaderProps {
  readonly panel: Panel;
  readonly setPanel: (change: (panel: Panel) => Panel) => void;
}

export function Header({ panel, setPanel }: HeaderProps) {
  const { navigation, feed } = useInspector();
  const { view } = useRoute();
  const line = useObservable(feed.state, (state) => state.line);
  const source = useLiveCluster()?.source;
  const toggle = (wanted: Panel) => setPanel((open) => (open === wanted ? undefined : wanted));
  return (
    <header class="header">
      <a class="brand" href={navigation.href('cluster')} aria-label="kvferry inspector">
        <Icon name="logo" />
        <span>kvferry</span>
      </a>
      <nav class="tabs" aria-label="Views">
        {views.map((name, index) => (
          <a
            key={name}
            class="tab"
            href={navigation.href(name)}
            aria-current={view === name ? 'page' : undefined}
            aria-keyshortcuts={String(index + 1)}
          >
            {name.charAt(0).toUpperCase() + name.slice(1)}
            <kbd>{index + 1}</kbd>
          </a>
        ))}
      </nav>
      <SourceSign source={source} line={line} />
      <div class="tools">
        {source?.faultsAllowed === true && (
          <button
            type="button"
            class="button danger"
            data-key="faults"
            aria-expanded={panel === 'faults'}
            onClick={() => toggle('faults')}
          >
            <Icon name="bolt" />
            <span class="wide-only">Faults</span>
          </button>
        )}
        <button
          type="button"
          class="button plain"
          title="Light or dark (T)"
          aria-label="Light or dark"
          onClick={toggleTheme}
        >
          <Icon name="theme" />
        </button>
        <button
          type="button"
          class="button plain wide-only"
          title="Keys (?)"
          aria-label="Keys"
          aria-expanded={panel === 'keys'}
          onClick={() => toggle('keys')}
        >
          <Icon name="keys" />
        </button>
      </div>
    </header>
  );
}

function SourceSign({ source, line }: { readonly source: SourceView | undefined; readonly line: Line }) {
  const [tone, state] = sourceState(source, line);
  return (
    <p class="source" role="status" aria-live="polite" title={source?.name}>
      <span class={`dot tone-${tone}`} aria-hidden="true" />
      <span class="source-state">{state}</span>
      <span class="source-name">{source?.name}</span>
    </p>
  );
}

function sourceState(source: SourceView | undefined, line: Line): readonly [Tone, string] {
  if (line === 'lost') return ['bad', 'no connection'];
  if (source === undefined || line === 'connecting') return ['wait', 'connecting'];
  if (source.kind === 'recording') return source.state === 'connecting' ? ['wait', 'reading'] : ['work', 'recording'];
  if (source.state === 'connected') return ['good', 'live'];
  return source.state === 'connecting' ? ['wait', 'connecting to NATS'] : ['bad', 'NATS lost'];
}
