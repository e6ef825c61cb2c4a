/** The history of one request, as rows over time: actors of both sides, messages between them, actions of the store. */
import type { EntryView, RequestDetail } from '../../feed.js';
import { duration, plural } from '../format.js';
import { MESSAGE_LANES_MAX, TIMELINE_MARKS_MAX, TIMELINE_ROWS_MAX } from '../limits.js';
import { toneOfStoreAction } from '../store-tones.js';
import type { Tone } from '../tones.js';
import { type ActorLife, livesOf } from './actor-lives.js';
import { type Exchange, exchangesOf } from './exchanges.js';

export interface Bar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly label: string;
  readonly title: string;
  readonly tone: Tone;
  readonly open: boolean;
}

export interface Mark {
  readonly atMs: number;
  readonly title: string;
  readonly tone: Tone;
}

export interface TimelineRow {
  readonly label: string;
  readonly kind: 'actor' | 'messages' | 'store';
  readonly bars: readonly Bar[];
  readonly marks: readonly Mark[];
}

export interface TimelineGroup {
  readonly title: string;
  readonly rows: readonly TimelineRow[];
  /** Number of omitted rows. */
  readonly more: number;
}

export interface Timeline {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ticks: readonly { readonly atMs: number; readonly label: string }[];
  readonly groups: readonly TimelineGroup[];
  /** There are entries after `toMs`. */
  readonly goesOn: boolean;
}

const TICKS_WANTED = 5;
/** Shortest axis, so that a request that has just begun has a width. */
const SPAN_MS_MIN = 1;

/** Leases often live much longer than their request. They are shown only on request. */
export type Extent = 'until its end' | 'its whole life';
/** Shown time after the end, as a fraction of the time before. */
const AFTER_END = 0.06;

export function layOutTimeline({ request, entries }: RequestDetail, nowMs: number, extent: Extent): Timeline {
  const lives = livesOf(
    entries,
    request.states.sender === undefined && request.states.receiver === undefined ? request.changedMs : nowMs,
  );
  const exchanges = exchangesOf(entries);
  const times = entries.map(({ timeMs }) => timeMs);
  const fromMs = [request.startedMs, ...times, ...exchanges.map(({ startMs }) => startMs)].reduce((a, b) =>
    Math.min(a, b),
  );
  const bars = lives.flatMap(({ stretches }) => stretches.map(({ toMs }) => toMs));
  const lastMs = [request.changedMs, ...times, ...bars].reduce((a, b) => Math.max(a, b), fromMs + SPAN_MS_MIN);
  const seenMs = request.endedMs === undefined ? lastMs : request.endedMs + (request.endedMs - fromMs) * AFTER_END;
  const toMs = extent === 'its whole life' ? lastMs : Math.max(fromMs + SPAN_MS_MIN, Math.min(lastMs, seenMs));

  let room = TIMELINE_ROWS_MAX;
  const groups: TimelineGroup[] = [];
  const add = (title: string, rows: readonly TimelineRow[]) => {
    const within = rows.map((row) => clip(row, toMs)).filter(({ bars, marks }) => bars.length + marks.length > 0);
    if (within.length === 0) return;
    const shown = within.slice(0, Math.max(1, room));
    room -= shown.length;
    groups.push({ title, rows: shown, more: within.length - shown.length });
  };
  const [first, ...others] = agentsOf(request, entries);
  if (first !== undefined) add(first, rowsOfAgent(first, lives, entries));
  add('NATS', rowsOfMessages(exchanges));
  for (const agent of others) add(agent, rowsOfAgent(agent, lives, entries));
  const ticks = ticksOf(toMs - fromMs).map((ms) => ({ atMs: fromMs + ms, label: tickLabel(ms) }));
  return { fromMs, toMs, ticks, groups, goesOn: lastMs > toMs };
}

function clip(row: TimelineRow, toMs: number): TimelineRow {
  return {
    ...row,
    bars: row.bars.filter(({ fromMs }) => fromMs <= toMs),
    marks: row.marks.filter(({ atMs }) => atMs <= toMs),
  };
}

/** Order of the agents: the prefill agent, the decode agent, then all others. */
export function agentsOf(request: RequestDetail['request'], entries: readonly EntryView[]): string[] {
  const named = [request.sender, request.receiver].filter((agent) => agent !== undefined);
  return [...new Set([...named, ...entries.map(({ agent }) => agent)])];
}

const rowOrder = ['request', 'group', 'rank', 'ingest', 'transfer', 'connection', 'peer', 'line', 'agent'] as const;

function rowsOfAgent(agent: string, lives: readonly ActorLife[], entries: readonly EntryView[]): TimelineRow[] {
  const actors = lives
    .filter((life) => life.agent === agent)
    .sort((a, b) => rowOrder.indexOf(a.machine) - rowOrder.indexOf(b.machine) || (a.batch ?? 0) - (b.batch ?? 0));
  const rows = actors.map(
    (life): TimelineRow => ({
      label: life.batch === undefined ? life.machine : `batch ${life.batch}`,
      kind: 'actor',
      bars: life.stretches.map((stretch) => ({
        fromMs: stretch.fromMs,
        toMs: stretch.toMs,
        label: stretch.state,
        title: `${life.machine} ${stretch.state}: ${duration(stretch.toMs - stretch.fromMs)}${stretch.open ? ' so far' : ''}`,
        tone: stretch.tone,
        open: stretch.open,
      })),
      marks: [],
    }),
  );
  const marks = entries.flatMap(({ agent: at, timeMs, entry }): Mark[] => {
    if (at !== agent || entry.kind !== 'store') return [];
    const title = `${entry.action} ${plural(entry.chunks, 'chunk')}${entry.detail === undefined ? '' : `: ${entry.detail}`}`;
    return [{ atMs: timeMs, title, tone: toneOfStoreAction(entry.action) }];
  });
  if (marks.length > 0)
    rows.push({ label: 'store', kind: 'store', bars: [], marks: marks.slice(0, TIMELINE_MARKS_MAX) });
  return rows;
}

/** Puts overlapping messages into lanes. If there are too many, the last lane takes the rest. */
function rowsOfMessages(exchanges: readonly Exchange[]): TimelineRow[] {
  const lanes: Bar[][] = [];
  for (const exchange of exchanges) {
    const bar = barOf(exchange);
    let index = lanes.findIndex((lane) => (lane.at(-1)?.toMs ?? 0) <= bar.fromMs);
    if (index < 0) index = Math.min(lanes.length, MESSAGE_LANES_MAX - 1);
    const lane = lanes[index];
    if (lane === undefined) lanes.push([bar]);
    else lane.push(bar);
  }
  return lanes.map((bars, index) => ({ label: index === 0 ? 'messages' : '', kind: 'messages', bars, marks: [] }));
}

function barOf({ from, to, operation, batch, startMs, endMs, tookMs, code }: Exchange): Bar {
  const about = batch === undefined ? '' : ` of batch ${batch}`;
  const how = code === undefined ? '' : `, answered ${code}`;
  return {
    fromMs: startMs,
    toMs: endMs,
    label: operation,
    title: `${operation}${about}, ${from} to ${to}: ${tookMs === undefined ? 'a notice' : duration(tookMs)}${how}`,
    tone: code === undefined ? 'quiet' : 'bad',
    open: false,
  };
}

/** Round steps from 0, about `wanted` of them. */
export function ticksOf(spanMs: number): number[] {
  const raw = spanMs / TICKS_WANTED;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= raw) ?? raw;
  const ticks: number[] = [];
  for (let index = 0; index * step <= spanMs; index += 1) ticks.push(index * step);
  return ticks;
}

function tickLabel(ms: number): string {
  if (ms === 0) return '0';
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(4))} s`;
  return `${Number(ms.toPrecision(4))} ms`;
}

/** The place of a moment on the axis, from 0 to 1. */
export function placeOf({ fromMs, toMs }: Pick<Timeline, 'fromMs' | 'toMs'>, atMs: number): number {
  return Math.min(1, Math.max(0, (atMs - fromMs) / (toMs - fromMs)));
}
