import { useRef, useState } from 'preact/hooks';
import type { MachineName } from '../../../../protocol/observation.js';
import { type ChartView, paths as questions } from '../../feed.js';
import { useAnswer } from '../data/use-answer.js';
import { Empty } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Skeleton } from '../parts/skeleton.js';
import type { StateChange } from './use-actor.js';
import { useDrawing, useLitArrow, useLitStates } from './use-drawing.js';

export interface ChartProps {
  readonly machine: MachineName;
  readonly state: string;
  /** Ids of the states that the machine is in, when its agent has reported them. */
  readonly paths: readonly string[] | undefined;
  /** The last state change: its arrow is lit for a moment. */
  readonly step: StateChange | undefined;
  /** The page shows the past: the arrow stays lit. */
  readonly isQuiet: boolean;
}

const ZOOMS = [0.5, 0.65, 0.8, 1, 1.25, 1.5] as const;
const ACTUAL_SIZE = 3;

/** The drawing of a machine with its current state. */
export function Chart({ machine, state, paths, step, isQuiet }: ChartProps) {
  const { value: charts, error } = useAnswer<ChartView[]>(questions.charts);
  const frame = useRef<HTMLElement>(null);
  const [zoom, setZoom] = useState<number | undefined>(undefined);
  const svg = charts?.find((chart) => chart.machine === machine)?.svg;
  useDrawing(frame, svg, zoom === undefined ? undefined : ZOOMS[zoom]);
  useLitStates(frame, svg, { machine, state, paths });
  useLitArrow(frame, svg, { machine, step, isQuiet });
  return (
    <section class="card chart" aria-label={`Statechart of ${machine}, now in ${state}`}>
      <header class="card-head">
        <h3>Statechart</h3>
        <ZoomButtons zoom={zoom} setZoom={setZoom} />
      </header>
      {svg === undefined && error === undefined && <Skeleton rows={6} label="Loading the drawing" />}
      {svg === undefined && error !== undefined && <Empty title="The drawing cannot be shown">{error}</Empty>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
      <section ref={frame} class="chart-frame" tabIndex={0} aria-label="Drawing" />
    </section>
  );
}

interface ZoomButtonsProps {
  /** Index into `ZOOMS`. Undefined: fits the frame. */
  readonly zoom: number | undefined;
  readonly setZoom: (zoom: number | undefined) => void;
}

function ZoomButtons({ zoom, setZoom }: ZoomButtonsProps) {
  return (
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
  );
}
