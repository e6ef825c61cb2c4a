import { useRef, useState } from 'preact/hooks';
import type { RequestDetail } from '../../feed.js';
import { useWidth } from '../data/use-width.js';
import { duration } from '../format.js';
import { type Extent, layOutTimeline, placeOf, type Timeline, type TimelineRow } from './timeline.js';

/** Shortest bar, so that a pointer can hit it. */
const BAR_PERCENT_MIN = 0.3;
/** Width of a label's character, of its padding, and of everything beside the tracks. In pixels. */
const CHARACTER_WIDTH = 6;
const AROUND_LABEL = 12;
const BESIDE_TRACK = 104;

export interface TimelineChartProps {
  readonly detail: RequestDetail;
  readonly nowMs: number;
}

/** Shows where the time of a request went: rows over one time axis for both agents. */
export function TimelineChart({ detail, nowMs }: TimelineChartProps) {
  const [pointed, setPointed] = useState<string | undefined>(undefined);
  const frame = useRef<HTMLElement>(null);
  const trackWidth = Math.max(1, useWidth(frame) - BESIDE_TRACK);
  const [extent, setExtent] = useState<Extent>('until its end');
  const timeline = layOutTimeline(detail, nowMs, extent);
  const { fromMs, toMs, ticks, groups, goesOn } = timeline;
  return (
    <section class="card timeline" aria-label="Timeline" ref={frame}>
      <div class="timeline-axis" aria-hidden="true">
        {ticks.map(({ atMs, label }) => (
          <span key={label} class="tick" style={{ left: `${placeOf(timeline, atMs) * 100}%` }}>
            {label}
          </span>
        ))}
      </div>
      {groups.map(({ title, rows, more }) => (
        <section key={title} class="timeline-group" aria-label={title}>
          <h4>{title}</h4>
          {rows.map((row, index) => (
            <Row
              key={`${index} ${row.label}`}
              row={row}
              timeline={timeline}
              trackWidth={trackWidth}
              point={setPointed}
            />
          ))}
          {more > 0 && <p class="hint">and {more} more rows</p>}
        </section>
      ))}
      <div class="timeline-foot">
        <p class="hint">{pointed ?? `${duration(toMs - fromMs)} are shown. Point at a bar to read it.`}</p>
        {(goesOn || extent === 'its whole life') && (
          <button
            type="button"
            class="button small"
            onClick={() => setExtent(extent === 'until its end' ? 'its whole life' : 'until its end')}
          >
            {extent === 'until its end' ? 'Show leases after its end' : 'Show until its end'}
          </button>
        )}
      </div>
    </section>
  );
}

interface RowProps {
  readonly row: TimelineRow;
  readonly timeline: Timeline;
  readonly trackWidth: number;
  /** Undefined: the pointer is on no bar. */
  readonly point: (title?: string) => void;
}

function Row({ row, timeline, trackWidth, point }: RowProps) {
  return (
    <div class={`timeline-row ${row.kind}`}>
      <span class="timeline-label">{row.label}</span>
      <div class="timeline-track">
        {timeline.ticks.map(({ label, atMs }) => (
          <span key={label} class="grid-line" style={{ left: `${placeOf(timeline, atMs) * 100}%` }} />
        ))}
        <ol aria-label={row.label === '' ? 'more messages' : row.label}>
          {row.bars.map((bar, index) => {
            const left = placeOf(timeline, bar.fromMs) * 100;
            const width = Math.max(BAR_PERCENT_MIN, placeOf(timeline, bar.toMs) * 100 - left);
            const next = row.bars[index + 1];
            const room = (next === undefined ? 100 : placeOf(timeline, next.fromMs) * 100) - left - width;
            const needed = ((bar.label.length * CHARACTER_WIDTH + AROUND_LABEL) / trackWidth) * 100;
            const isBeside = row.kind === 'messages' && width < needed && room >= needed;
            return (
              <li
                key={`${bar.fromMs} ${bar.label}`}
                onPointerEnter={() => point(bar.title)}
                onPointerLeave={() => point()}
              >
                <span
                  class={`bar tone-${bar.tone}${bar.open ? ' open' : ''}${width >= needed ? '' : ' small'}`}
                  title={bar.title}
                  style={{ left: `${left}%`, width: `${width}%` }}
                >
                  <span class="unseen">{bar.title}</span>
                  {width >= needed && <span aria-hidden="true">{bar.label}</span>}
                </span>
                {isBeside && (
                  <span class="bar-label" aria-hidden="true" style={{ left: `${left + width}%` }}>
                    {bar.label}
                  </span>
                )}
              </li>
            );
          })}
          {row.marks.map(({ atMs, title, tone }, index) => (
            <li key={`${atMs} ${index}`} onPointerEnter={() => point(title)} onPointerLeave={() => point()}>
              <span class={`mark tone-${tone}`} title={title} style={{ left: `${placeOf(timeline, atMs) * 100}%` }}>
                <span class="unseen">{title}</span>
              </span>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}
