import { useMemo } from 'preact/hooks';
import type { AgentView } from '../../feed.js';
import { bytes, count, duration, plural } from '../format.js';
import { Chip } from '../parts/chip.js';
import { PageMap } from './page-map.js';
import { countPages, type PageState, pageStates, readPages } from './page-runs.js';

/** An arena: the map of its pages, and the number of pages in each state. */
export function ArenaCard({ agent: view }: { readonly agent: AgentView }) {
  const { agent, status, description, pages: runs, silentMs } = view;
  const pages = useMemo(() => readPages(runs ?? ''), [runs]);
  // Without a map, the counts come from the status.
  const counts = pages.length > 0 ? countPages(pages) : countsOf(view);
  const total = status.pages?.total ?? pages.length;
  const pageBytes = description.arena?.pageBytes;
  return (
    <section class={silentMs === undefined ? 'card arena' : 'card arena silent'} aria-label={`Arena of ${agent}`}>
      <header class="card-head">
        <h3>
          Arena <span class="soft">of</span> {agent}
        </h3>
        {(status.pages?.reserved ?? 0) > 0 && (
          <Chip title="Promised to admitted requests">{plural(status.pages?.reserved ?? 0, 'page')} reserved</Chip>
        )}
        {(status.quarantineAgeMs ?? 0) > 0 && (
          <Chip tone="bad">quarantine {duration(status.quarantineAgeMs ?? 0)}</Chip>
        )}
        <span class="card-aside">
          {plural(total, 'page')}
          {pageBytes === undefined ? '' : ` of ${bytes(pageBytes)}`}
        </span>
      </header>
      <dl class="legend">
        {pageStates.map((state) => (
          <div key={state} class={counts[state] === 0 ? 'none' : ''}>
            <dt>
              <Swatch state={state} />
              {state}
            </dt>
            <dd>{count(counts[state])}</dd>
          </div>
        ))}
      </dl>
      {pages.length > 0 && <PageMap agent={agent} pages={pages} />}
    </section>
  );
}

function countsOf({ status: { pages } }: AgentView): Record<PageState, number> {
  const { free = 0, writing = 0, ready = 0, retained = 0, quarantined = 0 } = pages ?? {};
  return { free, writing, ready: ready - retained, retained, quarantined };
}

/** The forms of the map. Each state has its own, so that the map is readable without colours. */
function Swatch({ state }: { readonly state: PageState }) {
  return (
    <svg class={`swatch page-${state}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {state === 'free' && <rect class="outline" x="1" y="1" width="10" height="10" rx="1.5" />}
      {state === 'writing' && (
        <>
          <rect class="tint" width="12" height="12" rx="1.5" />
          <path class="fill" d="M0 12V4L8 12z" />
        </>
      )}
      {state === 'ready' && <rect class="fill" width="12" height="12" rx="1.5" />}
      {state === 'retained' && (
        <>
          <rect class="tint" width="12" height="12" rx="1.5" />
          <rect class="fill" x="4" y="4" width="4" height="4" />
        </>
      )}
      {state === 'quarantined' && (
        <>
          <rect class="fill" width="12" height="12" rx="1.5" />
          <path class="cross" d="M3 3l6 6M9 3l-6 6" />
        </>
      )}
    </svg>
  );
}
