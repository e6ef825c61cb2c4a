import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { MachineName, StateEntry } from '../../../../protocol/observation.js';
import { type ChartView, type EntryView, paths as questions } from '../../feed.js';
import { useAnswer } from '../data/use-answer.js';
import { ARROW_LIT_MS } from '../limits.js';
import { Empty } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Skeleton } from '../parts/skeleton.js';
import { idsOfState, innermost } from './state-ids.js';

export interface ChartProps {
  readonly machine: MachineName;
  readonly state: string;
  /** Ids of the states it is in, when its agent has said them. */
  readonly paths: readonly string[] | undefined;
  /** Its last change: the arrow it took is shown for a moment. */
  readonly step: (EntryView & { readonly entry: StateEntry }) | undefined;
  /** Of the past, the arrow stays lit. */
  readonly isQuiet: boolean;
}

const ZOOMS = [0.5, 0.65, 0.8, 1, 1.25, 1.5] as const;
const ACTUAL_SIZE = 3;
/** What is to fit is not made smaller than can be read; then it scrolls. */
const FIT_MIN = 0.62;

/** The drawing of a machine, with where it is in it. */
export function Chart({ machine, state, paths, step, isQuiet }: ChartProps) {
  const { value: charts, error } = useAnswer<ChartView[]>(questions.charts);
  const frame = useRef<HTMLDivElement>(null);
  const [zoom, setZoom] = useState<number | undefined>(undefined);
  const svg = charts?.find((chart) => chart.machine === machine)?.svg;

  useLayoutEffect(() => {
    if (frame.current === null || svg === undefined) return;
    const drawing = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    frame.current.replaceChildren(document.importNode(drawing, true));
  }, [svg]);

  useLayoutEffect(() => {
    const drawing = frame.current?.querySelector('svg');
    if (!drawing) return;
    const width = Number(drawing.getAttribute('viewBox')?.split(' ')[2] ?? 0);
    drawing.style.width = zoom === undefined ? '' : `${width * (ZOOMS[zoom] ?? 1)}px`;
    drawing.style.maxWidth = zoom === undefined ? '' : 'none';
    drawing.style.minWidth = zoom === undefined ? `${width * FIT_MIN}px` : '';
  }, [svg, zoom]);

  const pathsKey = paths?.join(' ');
  useLayoutEffect(() => {
    const drawing = frame.current?.querySelector('svg');
    if (!drawing) return;
    const states = [...drawing.querySelectorAll<SVGGElement>('[data-state]')];
    const ids = states.map((element) => element.dataset['state'] ?? '');
    const lit = pathsKey === undefined ? idsOfState(machine, state, ids) : pathsKey.split(' ');
    const inner = innermost(lit);
    for (const element of states) {
      const id = element.dataset['state'] ?? '';
      element.classList.toggle('lit', inner.includes(id));
      element.classList.toggle('around', lit.includes(id) && !inner.includes(id));
    }
    reveal(frame.current, drawing.querySelector('.lit'));
  }, [svg, machine, state, pathsKey]);

  useEffect(() => {
    const drawing = frame.current?.querySelector('svg');
    if (!drawing || step === undefined) return undefined;
    const { from, to } = step.entry;
    const states = [...drawing.querySelectorAll<SVGGElement>('[data-state]')];
    const ids = states.map((element) => element.dataset['state'] ?? '');
    const sources = from === undefined ? [] : idsOfState(machine, from, ids);
    const targets = idsOfState(machine, to, ids);
    const taken = [...drawing.querySelectorAll<SVGGElement>('[data-source]')].filter(
      ({ dataset }) => sources.includes(dataset['source'] ?? '') && targets.includes(dataset['target'] ?? ''),
    );
    for (const arrow of taken) arrow.classList.add('taken');
    const clear = () => {
      for (const arrow of taken) arrow.classList.remove('taken');
    };
    const timer = isQuiet ? undefined : setTimeout(clear, ARROW_LIT_MS);
    return () => {
      clearTimeout(timer);
      clear();
    };
  }, [svg, machine, step, isQuiet]);

  return (
    <section class="card chart" aria-label={`Statechart of ${machine}, now in ${state}`}>
      <header class="card-head">
        <h3>Statechart</h3>
        <div class="button-row card-aside">
          <button
            type="button"
            class="button plain"
            aria-label="Smaller"
            disabled={zoom === 0}
            onClick={() => setZoom(Math.max(0, (zoom ?? ACTUAL_SIZE) - 1))}
          >
            <Icon name="minus" />
          </button>
          <button
            type="button"
            class="button plain"
            aria-label="Larger"
            disabled={zoom === ZOOMS.length - 1}
            onClick={() => setZoom(Math.min(ZOOMS.length - 1, (zoom ?? ACTUAL_SIZE - 1) + 1))}
          >
            <Icon name="plus" />
          </button>
          <button type="button" class="button plain" aria-label="Fit" onClick={() => setZoom(undefined)}>
            <Icon name="fit" />
          </button>
        </div>
      </header>
      {svg === undefined && error === undefined && <Skeleton rows={6} label="Loading the drawing" />}
      {svg === undefined && error !== undefined && <Empty title="The drawing cannot be shown">{error}</Empty>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
      <section ref={frame} class="chart-frame" tabIndex={0} aria-label="Drawing" />
    </section>
  );
}

/** Scrolls the drawing, and nothing else, so that the state is in the middle. */
function reveal(frame: HTMLElement | null, element: Element | null): void {
  if (frame === null || element === null) return;
  const [outer, inner] = [frame.getBoundingClientRect(), element.getBoundingClientRect()];
  const isSeen =
    inner.top >= outer.top && inner.bottom <= outer.bottom && inner.left >= outer.left && inner.right <= outer.right;
  if (isSeen) return;
  frame.scrollTo({
    top: frame.scrollTop + inner.top - outer.top - (outer.height - inner.height) / 2,
    left: frame.scrollLeft + inner.left - outer.left - (outer.width - inner.width) / 2,
  });
}
