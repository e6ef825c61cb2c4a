import { useMemo } from 'preact/hooks';
import { type ActorView, paths } from '../../feed.js';
import { address } from '../data/api.js';
import { useInspector, useLiveCluster, useMoment, useRoute } from '../data/inspector.js';
import { useObservable } from '../data/observable.js';
import { useAnswer } from '../data/use-answer.js';
import { plural } from '../format.js';
import { POLL_MS } from '../limits.js';
import { Empty } from '../parts/empty.js';
import { FilterInput } from '../parts/filter-input.js';
import { FilterSelect } from '../parts/filter-select.js';
import { Skeleton } from '../parts/skeleton.js';
import { VirtualList } from '../parts/virtual-list.js';
import { ActorDetail } from './actor-detail.js';
import { matches } from './actor-filter.js';
import { ActorRow } from './actor-row.js';
import { machineNames } from './machine-names.js';

const ROW_HEIGHT = 48;

const keyOf = ({ agent, agentEpoch, actor }: ActorView) => `${agent} ${agentEpoch} ${actor}`;

interface Filter {
  readonly agent: string;
  readonly machine: string;
  readonly request: string;
  readonly text: string;
}

/** Lists every live actor, and draws the machine of the selected one. */
export function MachinesPage() {
  const { feed } = useInspector();
  const { query, path } = useRoute();
  const atMs = useMoment();
  const dropped = useObservable(feed.dropped, (times) => times);
  const { agent = '', machine = '', request = '', text = '' } = query;
  const question = address(paths.actors, { agent, machine, request, atMs });
  const {
    value,
    error,
    atMs: cameMs,
  } = useAnswer<ActorView[]>(question, atMs === undefined ? POLL_MS : undefined, dropped);
  const actors = useMemo(() => value?.filter((actor) => matches(actor, text)), [value, text]);
  const [selectedAgent, selectedActor] = path;
  const selected = value?.find((actor) => actor.agent === selectedAgent && actor.actor === selectedActor);
  const hasSelection = selectedAgent !== undefined && selectedActor !== undefined;
  const filter = { agent, machine, request, text };

  return (
    <div class={hasSelection ? 'split selected' : 'split'}>
      <section class="split-list" aria-label="Actors">
        <Filters filter={filter} />
        <p class="list-note" role="status">
          {actors === undefined ? ' ' : plural(actors.length, 'actor')}
          {error !== undefined && value !== undefined ? ` · ${error}` : ''}
        </p>
        <ActorList actors={actors} error={error} filter={filter} selected={selected} cameMs={cameMs} />
      </section>
      <section class="split-detail" aria-label="Machine">
        {hasSelection ? (
          <ActorDetail
            key={`${selectedAgent} ${selectedActor}`}
            agent={selectedAgent}
            name={selectedActor}
            actor={selected}
            cameMs={cameMs}
            isLoading={value === undefined}
          />
        ) : (
          <Empty title="No machine is selected">
            Choose an actor to see its statechart, where it is in it, and what it waits for.
          </Empty>
        )}
      </section>
    </div>
  );
}

function Filters({ filter: { agent, machine, request, text } }: { readonly filter: Filter }) {
  const { navigation } = useInspector();
  const agents = (useLiveCluster()?.agents ?? []).map((row) => row.agent);
  return (
    <div class="filters">
      <FilterInput
        label="Filter by request, actor, state"
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
        label="Machine"
        any="any machine"
        value={machine}
        options={machineNames}
        change={(value) => navigation.change({ machine: value })}
      />
      {request !== '' && (
        <button type="button" class="button" onClick={() => navigation.change({ request: '' })}>
          request {request} ✕
        </button>
      )}
    </div>
  );
}

interface ActorListProps {
  readonly actors: readonly ActorView[] | undefined;
  readonly error: string | undefined;
  readonly filter: Filter;
  readonly selected: ActorView | undefined;
  readonly cameMs: number;
}

function ActorList({ actors, error, filter, selected, cameMs }: ActorListProps) {
  const { navigation } = useInspector();
  const isLive = useMoment() === undefined;
  if (actors === undefined) {
    if (error === undefined) return <Skeleton rows={8} label="Loading actors" />;
    return <Empty title="Actors cannot be shown">{error}</Empty>;
  }
  if (actors.length === 0) {
    return (
      <Empty title="No actor matches">
        {Object.values(filter).every((value) => value === '')
          ? 'Actors appear with agents, and with every request that is put.'
          : 'Requests and transfers live for milliseconds; clear the filter, or go back in time.'}
      </Empty>
    );
  }
  return (
    <VirtualList
      items={actors}
      rowHeight={ROW_HEIGHT}
      label="Actors"
      keyOf={keyOf}
      selected={selected === undefined ? undefined : keyOf(selected)}
      select={(actor) => navigation.change({}, [actor.agent, actor.actor])}
      row={(actor) => <ActorRow actor={actor} cameMs={cameMs} isLive={isLive} />}
    />
  );
}
