import { useRef } from 'preact/hooks';
import { useWidth } from '../data/use-width.js';
import { duration } from '../format.js';
import { Empty } from '../parts/empty.js';
import type { ArrowStep, NoteStep, Sequence, Step } from './sequence.js';

/** Widths of the time column, of a lane, and of the name above it. */
interface Shape {
  readonly gutter: number;
  readonly lane: number;
  readonly name: number;
}
const roomy: Shape = { gutter: 72, lane: 220, name: 160 };
const tight: Shape = { gutter: 56, lane: 92, name: 86 };
/** Below this width of the window, the diagram is drawn narrow. */
const ROOMY_WIDTH_MIN = 520;
const HEAD = 44;
const STEP = 32;
/** Approximate width of a character in the diagram. */
const CHARACTER = 6.1;
const NOTE_PADDING = 16;
/** How much wider than its lane a note may be, because no other note is beside it. */
const NOTE_OVERHANG = 48;
const MARGIN = 6;

/**
 * The messages of a request. Time runs down with one line per step, so a busy millisecond reads like a quiet second.
 */
export function SequenceDiagram({ sequence: { lanes, steps, more } }: { readonly sequence: Sequence }) {
  const frame = useRef<HTMLElement>(null);
  const available = useWidth(frame);
  const shape = available < ROOMY_WIDTH_MIN ? tight : roomy;
  const width = shape.gutter + lanes.length * shape.lane + MARGIN;
  const height = HEAD + steps.length * STEP + 16;
  const xOf = (lane: number) => shape.gutter + lane * shape.lane + shape.lane / 2;
  return (
    <section class="card sequence" aria-label="Sequence" ref={frame}>
      {steps.length === 0 && <Empty title="Nothing is kept of what was said" />}
      {more > 0 && <p class="hint">{more} steps in the middle are left out.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
      <section class="scroll" tabIndex={0} aria-label="Diagram">
        <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
          {lanes.map((lane, index) => (
            <g key={lane}>
              <line class="lifeline" x1={xOf(index)} x2={xOf(index)} y1={HEAD - 8} y2={height} />
              <rect class="lane" x={xOf(index) - shape.name / 2} y={4} width={shape.name} height={28} rx={6} />
              <text class="lane-name" x={xOf(index)} y={22}>
                {lane}
              </text>
            </g>
          ))}
          {steps.map((step, index) => (
            <g key={`${index} ${step.text}`}>
              <title>{sentence(step, lanes)}</title>
              <text class="step-time" x={shape.gutter - 8} y={HEAD + index * STEP + STEP / 2 + 4}>
                {index > 0 && steps[index - 1]?.afterMs === step.afterMs
                  ? ''
                  : `+${duration(Math.max(0, step.afterMs))}`}
              </text>
              {isArrow(step) ? (
                <Arrow step={step} y={HEAD + index * STEP + STEP / 2} xOf={xOf} />
              ) : (
                <Note
                  step={step}
                  y={HEAD + index * STEP + STEP / 2}
                  x={xOf(step.lane)}
                  room={shape.lane + NOTE_OVERHANG}
                  right={width}
                />
              )}
            </g>
          ))}
        </svg>
        <ol class="unseen">
          {steps.map((step, index) => (
            <li key={`${index} ${step.text}`}>{sentence(step, lanes)}</li>
          ))}
        </ol>
      </section>
    </section>
  );
}

function isArrow(step: Step): step is ArrowStep {
  return step.kind === 'message' || step.kind === 'bytes';
}

function Arrow({
  step,
  y,
  xOf,
}: {
  readonly step: ArrowStep;
  readonly y: number;
  readonly xOf: (lane: number) => number;
}) {
  const forward = step.to > step.from;
  const [from, to] = [xOf(step.from), xOf(step.to)];
  const head = forward ? to - 7 : to + 7;
  const took = step.took === undefined ? '' : ` · ${step.took}`;
  const middle = (from + to) / 2;
  const width = (step.text.length + took.length) * CHARACTER + 8;
  return (
    <g class={`arrow ${step.kind} tone-${step.tone}`}>
      {/* The plate covers the lanes that the arrow crosses. */}
      {Math.abs(step.to - step.from) > 1 && (
        <rect class="arrow-plate" x={middle - width / 2} y={y - 12} width={width} height={15} />
      )}
      <line x1={from} x2={head} y1={y + 6} y2={y + 6} />
      <path d={`M${to} ${y + 6} L${head} ${y + 1.5} L${head} ${y + 10.5} Z`} />
      <text x={middle} y={y}>
        {step.text}
        <tspan class="arrow-took">{took}</tspan>
      </text>
    </g>
  );
}

interface NoteProps {
  readonly step: NoteStep;
  readonly x: number;
  readonly y: number;
  /** Greatest width. */
  readonly room: number;
  /** Rightmost position. */
  readonly right: number;
}

function Note({ step, x, y, room, right }: NoteProps) {
  const characters = Math.floor((room - NOTE_PADDING) / CHARACTER);
  const text = step.text.length > characters ? `${step.text.slice(0, characters - 1)}…` : step.text;
  const width = text.length * CHARACTER + NOTE_PADDING;
  const middle = Math.min(x, right - width / 2 - 1);
  return (
    <g class={`note ${step.kind} tone-${step.tone}`}>
      <rect x={middle - width / 2} y={y - 11} width={width} height={22} rx={step.kind === 'end' ? 11 : 4} />
      <text x={middle} y={y + 4}>
        {text}
      </text>
    </g>
  );
}

function sentence(step: Step, lanes: readonly string[]): string {
  const time = `after ${duration(Math.max(0, step.afterMs))}`;
  if (isArrow(step)) {
    const took = step.took === undefined ? '' : `, ${step.took}`;
    return `${time}: ${step.text} from ${lanes[step.from]} to ${lanes[step.to]}${took}`;
  }
  return `${time}: ${lanes[step.lane]}: ${step.text}${step.detail === undefined ? '' : `: ${step.detail}`}`;
}
