import { useEffect, useMemo, useState } from 'preact/hooks';
import type { StateEntry } from '../../../../protocol/observation.js';
import { type ActorView, type EntryView, paths } from '../../feed.js';
import { address } from '../data/api.js';
import { useInspector, useMoment, useRoute } from '../data/inspector.js';
import { useAnswer } from '../data/use-answer.js';
import { useTick } from '../data/use-tick.js';
import { duration } from '../format.js';
import { ENTRIES_SHOWN_MAX, TICK_MS } from '../limits.js';
import { Chip } from '../parts/chip.js';
import { Empty } from '../parts/empty.js';
import { EntryList, rowsOf } from '../parts/entry-list.js';
import { Icon } from '../parts/icon.js';
import { Skeleton } from '../parts/skeleton.js';
import { Waits } from '../parts/waits.js';
import { toneOfState } from '../tones.js';
import { Chart } from './chart.js';
import { contextLines } from './context-lines.js';
import { joinEntries } from './join-entries.js';
import { isMachine } from './machine-names.js';

export interface ActorDetailProps {
  readonly agent: string;
  readonly name: string;
  /** Gone when it has ended. */
  readonly actor: ActorView | undefined;
  /** On the page's own clock, when `actor` came. */
  readonly cameMs: number;
  readonly isLoading: boolean;
}

export function ActorDetail({ agent, name, actor: asked, cameMs, isLoading }: ActorDetailProps) {
  const { feed, navigation } = useInspector();
  const { query } = useRoute();
  const atMs = useMoment();
  const isLive = atMs === undefined;
  const question = address(paths.entries, { agent, actor: name, toMs: atMs, limit: ENTRIES_SHOWN_MAX });
  const known = useAnswer<EntryView[]>(question);
  const [heard, setHeard] = useState<readonly EntryView[]>([]);
  useEffect(
    () =>
      feed.onEntries((entries) => {
        const own = entries.filter((view) => view.agent === agent && isOf(view, name));
        if (own.length > 0) setHeard((before) => [...before, ...own].slice(-ENTRIES_SHOWN_MAX));
      }),
    [feed, agent, name],
  );
  const entries = useMemo(
    () => joinEntries(known.value ?? [], isLive ? heard : []).slice(-ENTRIES_SHOWN_MAX),
    [known.value, heard, isLive],
  );
  const last = entries.findLast(
    (view): view is EntryView & { readonly entry: StateEntry } => view.entry.kind === 'state',
  );
  // It is asked for once a second; in between, its journal knows more.
  const [actor, setActor] = useState(asked);
  if (asked !== undefined && asked !== actor) setActor(asked);
  const machine = actor?.machine ?? name.slice(0, name.indexOf(' ') < 0 ? undefined : name.indexOf(' '));
  const hasEnded = asked === undefined && !isLoading && (last?.entry.done ?? true);
  const isNewer = last !== undefined && isLive && (asked === undefined || heard.includes(last));
  const state = isNewer ? last.entry.to : (asked?.state ?? last?.entry.to);

  if (!isMachine(machine)) return <Empty title="No such machine">{name}</Empty>;
  if (state === undefined) {
    return isLoading || known.value === undefined ? (
      <Skeleton rows={6} label="Loading the machine" />
    ) : (
      <Empty title="Nothing is known of this actor">
        It has ended, and its journal is not kept any more.{' '}
        <a href={navigation.href('machines', [], query)}>Show others</a>
      </Empty>
    );
  }
  const about = actor ?? last?.entry;
  return (
    <div class="detail">
      <header class="detail-head">
        <button
          type="button"
          class="button plain back"
          aria-label="Back to the list"
          onClick={() => navigation.change({}, [])}
        >
          <Icon name="left" />
        </button>
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
      {actor !== undefined && !hasEnded && <Clocks actor={actor} cameMs={cameMs} isLive={isLive} />}
      <Chart machine={machine} state={state} paths={isNewer ? undefined : asked?.paths} step={last} isQuiet={!isLive} />
      <div class="detail-columns">
        <section class="card" aria-label="Last entries">
          <header class="card-head">
            <h3>Last entries</h3>
          </header>
          {known.error !== undefined && <p class="hint tone-bad">{known.error}</p>}
          {entries.length === 0 ? (
            <Empty title="None are kept" />
          ) : (
            <EntryList entries={rowsOf(entries.toReversed())} showAgent={false} />
          )}
        </section>
        <section class="card" aria-label="Context">
          <header class="card-head">
            <h3>Context</h3>
            {hasEnded && <span class="card-aside">as it was last</span>}
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
      </div>
    </div>
  );
}

/** Messages have no actor, but name what they are about; only changes of the state are surely its own. */
function isOf({ entry }: EntryView, name: string): boolean {
  return entry.kind === 'state' && entry.actor === name;
}

interface ClocksProps {
  readonly actor: ActorView;
  readonly cameMs: number;
  readonly isLive: boolean;
}

/** How long it has been so, and until when: these run by themselves. */
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
