import type { ComponentChildren } from 'preact';
import type { MachineName } from '../../../../protocol/observation.js';
import type { ActorView, EntryView } from '../../feed.js';
import { useInspector, useRoute } from '../data/inspector.js';
import { useTick } from '../data/use-tick.js';
import { duration } from '../format.js';
import { TICK_MS } from '../limits.js';
import { BackButton } from '../parts/back-button.js';
import { Chip } from '../parts/chip.js';
import { Empty } from '../parts/empty.js';
import { EntryList, rowsOf } from '../parts/entry-list.js';
import { Skeleton } from '../parts/skeleton.js';
import { Waits } from '../parts/waits.js';
import { toneOfState } from '../tones.js';
import { Chart } from './chart.js';
import { contextLines } from './context-lines.js';
import { isMachine } from './machine-names.js';
import { useActor } from './use-actor.js';

export interface ActorDetailProps {
  readonly agent: string;
  readonly name: string;
  /** Undefined when it has ended. */
  readonly actor: ActorView | undefined;
  /** When `actor` arrived, on the page's own clock. */
  readonly cameMs: number;
  readonly isLoading: boolean;
}

export function ActorDetail({ agent, name, actor: asked, cameMs, isLoading }: ActorDetailProps) {
  const { isLive, actor, entries, last, isNewer, error, isPending, hasEnded, state } = useActor({
    ...{ agent, name, asked, isLoading },
  });
  const machine = actor?.machine ?? name.slice(0, name.indexOf(' ') < 0 ? undefined : name.indexOf(' '));
  if (!isMachine(machine)) return <Empty title="No such machine">{name}</Empty>;
  if (state === undefined) return isPending ? <Skeleton rows={6} label="Loading the machine" /> : <Unknown />;
  return (
    <div class="detail">
      <Head
        machine={machine}
        name={name}
        state={state}
        agent={agent}
        hasEnded={hasEnded}
        about={actor ?? last?.entry}
      />
      {actor !== undefined && !hasEnded && <Clocks actor={actor} cameMs={cameMs} isLive={isLive} />}
      <Chart machine={machine} state={state} paths={isNewer ? undefined : asked?.paths} step={last} isQuiet={!isLive} />
      <div class="detail-columns">
        <LastEntries entries={entries} error={error} />
        <Context actor={actor} isLive={isLive}>
          {hasEnded && <span class="card-aside">as it was last</span>}
        </Context>
      </div>
    </div>
  );
}

function Unknown() {
  const { navigation } = useInspector();
  const { query } = useRoute();
  return (
    <Empty title="Nothing is known of this actor">
      It has ended, and its journal is not kept any more.{' '}
      <a href={navigation.href('machines', [], query)}>Show others</a>
    </Empty>
  );
}

interface HeadProps {
  readonly machine: MachineName;
  readonly name: string;
  readonly state: string;
  readonly agent: string;
  readonly hasEnded: boolean;
  /** Names the actor's request, if it has one. */
  readonly about: { readonly request?: string | undefined; readonly epoch?: string | undefined } | undefined;
}

function Head({ machine, name, state, agent, hasEnded, about }: HeadProps) {
  const { navigation } = useInspector();
  return (
    <header class="detail-head">
      <BackButton />
      <h2>
        <span class="machine">{machine}</span> {name.slice(machine.length + 1)}
      </h2>
      <Chip tone={toneOfState(machine, state)}>{state}</Chip>
      {hasEnded && <Chip>ended</Chip>}
      <span class="detail-aside">at {agent}</span>
      {about?.request !== undefined && about.epoch !== undefined && (
        <a href={navigation.href('requests', [about.epoch, about.request])}>Its request</a>
      )}
    </header>
  );
}

interface ClocksProps {
  readonly actor: ActorView;
  readonly cameMs: number;
  readonly isLive: boolean;
}

/** Time in the state, age and deadline. They advance between two answers of the server. */
function Clocks({ actor, cameMs, isLive }: ClocksProps) {
  const now = useTick(TICK_MS, isLive);
  const sinceMs = isLive ? Math.max(0, now - cameMs) : 0;
  const { waiting } = actor;
  return (
    <div class="clocks">
      <dl>
        <div>
          <dt>In this state</dt>
          <dd>{duration(actor.inStateMs + sinceMs)}</dd>
        </div>
        <div>
          <dt>Alive for</dt>
          <dd>{duration(actor.ageMs + sinceMs)}</dd>
        </div>
      </dl>
      {waiting !== undefined && <Waits waiting={waiting} sinceMs={sinceMs} />}
    </div>
  );
}

function LastEntries({
  entries,
  error,
}: {
  readonly entries: readonly EntryView[];
  readonly error: string | undefined;
}) {
  return (
    <section class="card" aria-label="Last entries">
      <header class="card-head">
        <h3>Last entries</h3>
      </header>
      {error !== undefined && <p class="hint tone-bad">{error}</p>}
      {entries.length === 0 ? (
        <Empty title="None are kept" />
      ) : (
        <EntryList entries={rowsOf(entries.toReversed())} showAgent={false} />
      )}
    </section>
  );
}

interface ContextProps {
  readonly actor: ActorView | undefined;
  readonly isLive: boolean;
  readonly children: ComponentChildren;
}

function Context({ actor, isLive, children }: ContextProps) {
  return (
    <section class="card" aria-label="Context">
      <header class="card-head">
        <h3>Context</h3>
        {children}
      </header>
      {actor === undefined || Object.keys(actor.context).length === 0 ? (
        <Empty title={isLive ? 'None' : 'Of the past it is not kept'} />
      ) : (
        <dl class="context">
          {contextLines(actor.context).map(({ path, value }) => (
            <div key={path}>
              <dt>{path}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
