import { useMemo, useState } from 'preact/hooks';
import { paths, type RequestDetail, type RequestView } from '../../feed.js';
import { address } from '../data/api.js';
import { useInspector, useMoment, useRoute } from '../data/inspector.js';
import { useObservable } from '../data/observable.js';
import { keyOfRequest } from '../data/request-table.js';
import { useAnswer } from '../data/use-answer.js';
import { Explanations } from '../explain/explanations.js';
import { clockTime, count, duration, shortEpoch } from '../format.js';
import { BackButton } from '../parts/back-button.js';
import { Chip } from '../parts/chip.js';
import { Empty } from '../parts/empty.js';
import { EntryList, rowsOf } from '../parts/entry-list.js';
import { Skeleton } from '../parts/skeleton.js';
import { toneOfEnd } from '../tones.js';
import { inCausalOrder } from './causal-order.js';
import { RequestState } from './request-row.js';
import { wayText } from './request-text.js';
import { layOutSequence } from './sequence.js';
import { SequenceDiagram } from './sequence-diagram.js';
import { TimelineChart } from './timeline-chart.js';

const tabs = ['timeline', 'sequence', 'entries', 'explain'] as const;
type Tab = (typeof tabs)[number];

/** Interval of the page's questions while the request is in progress. */
const REFRESH_MS = 500;

export interface RequestDetailPaneProps {
  readonly epoch: string;
  readonly request: string;
}

export function RequestDetailPane({ epoch, request }: RequestDetailPaneProps) {
  const { navigation, feed } = useInspector();
  const { query } = useRoute();
  const atMs = useMoment();
  const [hasEnded, setEnded] = useState(false);
  const isLive = atMs === undefined;
  const question = address(`${paths.requests}/${encodeURIComponent(epoch)}/${encodeURIComponent(request)}`, { atMs });
  // Leases change after the end of a request. So the page asks again when the feed reports a change.
  const key = keyOfRequest({ epoch, request });
  const news = useObservable(
    feed.state,
    ({ requests }) => requests.find((row) => keyOfRequest(row) === key)?.changedMs,
  );
  const { value: answer, error } = useAnswer<RequestDetail>(
    question,
    isLive && !hasEnded ? REFRESH_MS : undefined,
    isLive ? news : 0,
  );
  const value = useMemo(() => (answer === undefined ? undefined : inCausalOrder(answer)), [answer]);
  const ended = value?.request.end !== undefined;
  if (ended !== hasEnded) setEnded(ended);
  const tab = tabs.find((name) => name === query['tab']) ?? 'timeline';

  if (value === undefined) {
    return error === undefined ? (
      <Skeleton rows={8} label="Loading the request" />
    ) : (
      <Empty title={`Nothing is known of ${request}`}>
        {error} <a href={navigation.href('requests')}>Show all requests</a>
      </Empty>
    );
  }
  const nowMs = atMs ?? feed.state.value.cluster?.timeMs ?? value.request.changedMs;
  return (
    <div class="detail">
      <header class="detail-head">
        <BackButton />
        <h2>{request}</h2>
        <RequestState request={value.request} />
        <span class="detail-aside" title={`Epoch of its sender: ${epoch}`}>
          <code>{shortEpoch(epoch)}</code>
        </span>
        <a href={navigation.href('machines', [], { request })}>Its machines</a>
      </header>
      <Summary request={value.request} />
      <Tabs tab={tab} />
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        <TabContent tab={tab} detail={value} nowMs={nowMs} />
      </div>
    </div>
  );
}

function Tabs({ tab }: { readonly tab: Tab }) {
  const { navigation } = useInspector();
  const moveBy = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = tabs[tabs.indexOf(tab) + step];
    if (step === 0 || next === undefined) return;
    event.preventDefault();
    navigation.change({ tab: next });
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tab-row" role="tablist" aria-label="How to see it">
      {tabs.map((name) => (
        <button
          key={name}
          type="button"
          class="tab-button"
          role="tab"
          id={`tab-${name}`}
          aria-selected={tab === name}
          aria-controls="tab-panel"
          tabIndex={tab === name ? 0 : -1}
          onClick={() => navigation.change({ tab: name === 'timeline' ? '' : name })}
          onKeyDown={moveBy}
        >
          {name.charAt(0).toUpperCase() + name.slice(1)}
        </button>
      ))}
    </div>
  );
}

interface TabContentProps {
  readonly tab: Tab;
  readonly detail: RequestDetail;
  readonly nowMs: number;
}

function TabContent({ tab, detail, nowMs }: TabContentProps) {
  switch (tab) {
    case 'timeline':
      return <TimelineChart detail={detail} nowMs={nowMs} />;
    case 'sequence':
      return <SequenceDiagram sequence={layOutSequence(detail)} />;
    case 'entries':
      return (
        <section class="card" aria-label="Entries">
          <EntryList entries={rowsOf(detail.entries)} showAgent within={detail.request.request} />
        </section>
      );
    case 'explain':
      return <Explanations about="request" name={detail.request.request} agent={undefined} />;
  }
}

/** The request's end with its reason, and its counts. */
function Summary({ request: view }: { readonly request: RequestView }) {
  const { navigation } = useInspector();
  const {
    rank,
    rankCount,
    startedMs,
    changedMs,
    endedMs,
    end,
    reason,
    batches,
    chunks,
    deduplicated,
    joined,
    handedOver,
  } = view;
  return (
    <div class="summary">
      {reason !== undefined && (
        <p class={`why tone-${end === undefined ? 'warn' : toneOfEnd(end)}`}>
          <strong>
            {end ?? 'Ending'}: <code>{reason.code}</code>
          </strong>{' '}
          {reason.message}
        </p>
      )}
      <dl class="facts inline">
        <Fact name="Way">{wayText(view)}</Fact>
        {rank !== undefined && (
          <Fact name="Rank">
            {rank} of {rankCount}{' '}
            <a href={navigation.href('requests', [view.epoch, view.request], { text: view.request })}>All ranks</a>
          </Fact>
        )}
        <Fact name="Began">{clockTime(startedMs)}</Fact>
        <Fact name={end === undefined ? 'So far' : 'Took'}>{duration((endedMs ?? changedMs) - startedMs)}</Fact>
        <Fact name="Batches">{count(batches)}</Fact>
        <Fact name="Chunks">{count(chunks)}</Fact>
        <Fact name="Deduplicated">{count(deduplicated)}</Fact>
        <Fact name="Joined">{count(joined)}</Fact>
        <Fact name="Handed over">
          {handedOver > 0 ? <Chip tone="warn">{count(handedOver)}</Chip> : count(handedOver)}
        </Fact>
      </dl>
    </div>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
