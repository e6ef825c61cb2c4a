import { useMemo } from 'preact/hooks';
import { useInspector, useLiveCluster, useRoute } from '../data/inspector.js';
import { keyOfRequest } from '../data/request-table.js';
import { count, plural } from '../format.js';
import { ROWS_ASKED_MAX } from '../limits.js';
import { Empty } from '../parts/empty.js';
import { FilterInput } from '../parts/filter-input.js';
import { FilterSelect } from '../parts/filter-select.js';
import { Icon } from '../parts/icon.js';
import { Skeleton } from '../parts/skeleton.js';
import { VirtualList } from '../parts/virtual-list.js';
import { type ListedRequest, listedRequests } from './listed-requests.js';
import { RequestDetailPane } from './request-detail.js';
import { RequestColumns, RequestLegend, RequestRow } from './request-row.js';
import { requestStates } from './request-states.js';
import { describeRequest } from './request-text.js';
import { useRequests } from './use-requests.js';

const ROW_HEIGHT = 48;

/** Lists requests, and shows the selected one over time. */
export function RequestsPage() {
  const { path } = useRoute();
  const requests = useRequests();
  const { rows, newer, release } = requests;
  const listed = useMemo(() => (rows === undefined ? undefined : listedRequests(rows)), [rows]);
  const [epoch, request] = path;
  const hasSelection = epoch !== undefined && request !== undefined;
  return (
    <div class={hasSelection ? 'split selected' : 'split'}>
      <section class="split-list" aria-label="Requests">
        <Filters />
        <p class="list-note" role="status">
          {listed === undefined ? ' ' : plural(listed.filter(({ isTiedAbove }) => !isTiedAbove).length, 'request')}
          {rows !== undefined && rows.length >= ROWS_ASKED_MAX && ', the newest'}
          {newer > 0 && (
            <button type="button" class="button small" onClick={release}>
              <Icon name="up" />
              {count(newer)} newer
            </button>
          )}
        </p>
        <RequestList listed={listed} requests={requests} selected={hasSelection ? `${epoch}/${request}` : undefined} />
      </section>
      <section class="split-detail" aria-label="Request">
        {hasSelection ? (
          <RequestDetailPane key={`${epoch}/${request}`} epoch={epoch} request={request} />
        ) : (
          <Empty title="No request is selected">
            Choose one to see where its time went, which messages it took, and why it ended.
          </Empty>
        )}
      </section>
    </div>
  );
}

function Filters() {
  const { navigation } = useInspector();
  const { query } = useRoute();
  const agents = (useLiveCluster()?.agents ?? []).map((row) => row.agent);
  const { text = '', agent = '', state = '', reason = '' } = query;
  return (
    <div class="filters">
      <FilterInput
        label="Filter by request or key"
        value={text}
        change={(value) => navigation.change({ text: value })}
      />
      <FilterSelect
        label="Agent"
        any="any agent"
        value={agent}
        options={agents}
        change={(value) => navigation.change({ agent: value })}
      />
      <FilterSelect
        label="State"
        any="any state"
        value={state}
        options={requestStates}
        change={(value) => navigation.change({ state: value })}
      />
      <input
        class={reason === '' ? 'filter-reason' : 'filter-reason chosen'}
        type="search"
        aria-label="Reason"
        placeholder="reason"
        value={reason}
        spellcheck={false}
        onInput={(event) => navigation.change({ reason: event.currentTarget.value })}
      />
    </div>
  );
}

interface RequestListProps {
  readonly listed: readonly ListedRequest[] | undefined;
  readonly requests: ReturnType<typeof useRequests>;
  readonly selected: string | undefined;
}

function RequestList({ listed, requests: { error, hold, fromTop, isFiltered }, selected }: RequestListProps) {
  const { navigation } = useInspector();
  if (listed === undefined) {
    if (error === undefined) return <Skeleton rows={10} label="Loading requests" />;
    return <Empty title="Requests cannot be shown">{error}</Empty>;
  }
  if (listed.length === 0) {
    return (
      <Empty title={isFiltered ? 'No request matches' : 'No request yet'}>
        {isFiltered ? (
          'Clear the filter, or go back in time.'
        ) : (
          <p>
            Requests appear as soon as an engine puts one; <code>kvferry demo --inspect</code> makes some.
          </p>
        )}
      </Empty>
    );
  }
  return (
    <>
      <RequestColumns />
      <VirtualList
        items={listed}
        rowHeight={ROW_HEIGHT}
        label="Requests"
        keyOf={({ view }) => keyOfRequest(view)}
        selected={selected}
        select={({ view }) => navigation.change({}, [view.epoch, view.request])}
        row={(row) => <RequestRow request={row} />}
        describe={({ view }) => describeRequest(view)}
        onHold={hold}
        fromTop={fromTop}
      />
      <RequestLegend />
    </>
  );
}
