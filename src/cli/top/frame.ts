/** What is on the screen: a pure function of what was measured and what is looked at. */

import { roundAge, roundCount } from '../../figures/units.js';
import type { PageCounts } from '../../protocol/fields.js';
import { ends } from '../../protocol/subjects.js';
import { printable } from '../printable.js';
import { type Column, clip, table } from './columns.js';
import type { AgentMeasure, Measure, RequestMeasure } from './measure.js';
import { help, type Sort, type View } from './view.js';

export interface FrameOptions {
  /** Where the agents are, without credentials. */
  readonly address: string;
  readonly intervalMs: number;
  readonly columns: number;
  /** Lines there are at most; undefined: as many as it takes, for a frame that is only printed. */
  readonly rows?: number | undefined;
}

const BAR_WIDTH = 16;
const BYTES_PER_MB = 1e6;
const BYTES_PER_GB = 1e9;
const MS_PER_S = 1000;
/** With both tables shown, agents get this part of the lines at most. */
const AGENTS_SHARE = 0.5;

const agentColumns: readonly Column<AgentMeasure>[] = [
  { title: 'AGENT', rank: 0, cell: ({ agent }) => agent },
  { title: 'ROLE', rank: 7, cell: ({ role }) => role },
  {
    title: 'STATE',
    rank: 1,
    cell: ({ state, silentMs }) => (silentMs === undefined ? state : `silent ${roundAge(silentMs)}`),
  },
  {
    title: 'PROVIDER',
    rank: 5,
    cell: ({ providers, fallback }) => `${providers.join(',') || '-'}${fallback ? ' FALLBACK' : ''}`,
  },
  { title: 'OUT MB/s', rank: 2, align: 'right', cell: (row) => rate(row.writtenBytesPerS, BYTES_PER_MB) },
  { title: 'IN CHUNKS/s', rank: 6, align: 'right', cell: (row) => rate(row.receivedChunksPerS) },
  { title: 'ENDS/s', rank: 8, align: 'right', cell: (row) => rate(row.endsPerS) },
  { title: 'PAGES', rank: 9, cell: ({ pages }) => (pages === undefined ? '-' : bar(pages)) },
  {
    title: 'FREE',
    rank: 3,
    align: 'right',
    cell: ({ pages }) => (pages === undefined ? '-' : `${pages.free}/${pages.total}`),
  },
  { title: 'QUEUE', rank: 4, align: 'right', cell: ({ queued, pages }) => (pages === undefined ? '-' : `${queued}`) },
  {
    title: 'QUARANTINE',
    rank: 11,
    align: 'right',
    cell: ({ pages, quarantineAgeMs }) =>
      pages === undefined || pages.quarantined === 0 ? '-' : `${pages.quarantined} for ${roundAge(quarantineAgeMs)}`,
  },
  { title: 'ERRORS/s', rank: 10, align: 'right', cell: (row) => rate(row.errorsPerS) },
];

const requestColumns: readonly Column<RequestMeasure>[] = [
  { title: 'REQUEST', rank: 0, isFlexible: true, cell: ({ request }) => request },
  { title: 'AGE', rank: 1, align: 'right', cell: ({ ageMs }) => roundAge(ageMs) },
  { title: 'AGENT', rank: 4, cell: ({ agent }) => agent },
  { title: 'SIDE', rank: 5, cell: ({ side }) => side },
  { title: 'STATE', rank: 2, isFlexible: true, cell: ({ state }) => state },
  { title: 'CHUNKS', rank: 6, align: 'right', cell: ({ chunks }) => `${chunks}` },
  { title: 'WAITS FOR', rank: 3, isFlexible: true, cell: waitsFor },
];

const orders: Readonly<Record<Sort, (a: RequestMeasure, b: RequestMeasure) => number>> = {
  age: (a, b) => b.ageMs - a.ageMs,
  chunks: (a, b) => b.chunks - a.chunks || b.ageMs - a.ageMs,
  agent: (a, b) => compare(a.agent, b.agent) || b.ageMs - a.ageMs,
  state: (a, b) => compare(a.state, b.state) || b.ageMs - a.ageMs,
};

/** No line is longer than `columns`, and there are no more than `rows`. `measured` is undefined before the first answers. */
export function frame(measured: Measure | undefined, view: View, options: FrameOptions): string[] {
  const { columns, rows = Number.POSITIVE_INFINITY } = options;
  const lines = [...header(measured, view, options), ''];
  // A frame that is only printed needs no keys.
  const footer = options.rows === undefined ? [] : [view.typing === undefined ? help : `filter: ${view.typing}_`];
  if (measured !== undefined) {
    lines.push(...body(measured, view, columns, rows - lines.length - footer.length));
  }
  return [...lines.slice(0, Math.max(0, rows - footer.length)), ...footer]
    .slice(0, rows)
    .map((line) => clip(printable(line), columns));
}

function header(measured: Measure | undefined, view: View, { address, intervalMs }: FrameOptions): string[] {
  const flags = [
    ...(view.isPaused ? ['PAUSED'] : []),
    ...(measured?.isConnected === false ? ['NATS IS AWAY'] : []),
    ...(view.filter === '' ? [] : [`filter: ${view.filter}`]),
    ...(view.sort === 'age' ? [] : [`sorted by ${view.sort}`]),
  ];
  const title = ['kvferry top', address, `every ${intervalMs / MS_PER_S} s`, ...flags].join('  ');
  if (measured === undefined) return [title, 'waiting for the first answers'];
  const { agents, silent, requests, writtenBytesPerS, endsPerS } = measured.totals;
  const ended = ends.map((end) => `${roundCount(endsPerS[end])} ${end}`).join(', ');
  return [
    title,
    `${agents} agents${silent === 0 ? '' : ` (${silent} silent)`}  ${requests} requests  ` +
      `${(writtenBytesPerS / BYTES_PER_GB).toFixed(2)} GB/s  ends/s: ${ended}`,
  ];
}

function body(measured: Measure, view: View, columns: number, room: number): string[] {
  if (measured.agents.length === 0) return ['no agent answers; start one with: kvferry agent'];
  const has = (...texts: readonly string[]) => texts.some((text) => text.includes(view.filter));
  const agents = measured.agents.filter((row) => has(row.agent, row.role, row.state, ...row.providers));
  const requests = measured.requests.filter((row) => has(row.request, row.agent, row.side, row.state, waitsFor(row)));
  const agentTable = table(agentColumns, agents, columns);
  const requestTable = table(requestColumns, requests.toSorted(orders[view.sort]), columns);
  switch (view.panel) {
    case 'agents':
      return shown(agentTable, room, view.scroll);
    case 'requests':
      return shown(requestTable, room, view.scroll);
    case 'all': {
      const half = Math.max(2, Math.floor(room * AGENTS_SHARE));
      const upper = shown(agentTable, half, 0);
      return [...upper, '', ...shown(requestTable, room - upper.length - 1, view.scroll)];
    }
  }
}

/** As much of a table as there is room for, from the row that was scrolled to. */
function shown(
  { head, rows }: { readonly head: string; readonly rows: readonly string[] },
  room: number,
  scroll: number,
): string[] {
  const first = Math.min(scroll, Math.max(0, rows.length - 1));
  const below = rows.slice(first);
  if (below.length + 1 <= room) return [head, ...below];
  const fitting = Math.max(0, room - 2);
  return [head, ...below.slice(0, fitting), `… ${below.length - fitting} more`].slice(0, Math.max(0, room));
}

function waitsFor({ waiting }: RequestMeasure): string {
  if (waiting === undefined) return '-';
  const { gate, text, endsInMs } = waiting;
  return `${gate}: ${text}${endsInMs === undefined ? '' : `, ${roundAge(Math.max(0, endsInMs))} left`}`;
}

/** The arena, drawn: `w` writing, `r` ready and leased, `k` retained as cache, `q` quarantined, `.` free. */
function bar({ total, writing, ready, retained, quarantined }: PageCounts): string {
  const counts = { w: writing, r: ready - retained, k: retained, q: quarantined };
  let drawn = '';
  let pages = 0;
  for (const [letter, count] of Object.entries(counts)) {
    pages += count;
    // What there is of something shows, however little it is.
    const end = Math.max(Math.round((pages / Math.max(1, total)) * BAR_WIDTH), drawn.length + (count > 0 ? 1 : 0));
    drawn = drawn.padEnd(Math.min(BAR_WIDTH, end), letter);
  }
  return `[${drawn.padEnd(BAR_WIDTH, '.')}]`;
}

function rate(perS: number | undefined, unit = 1): string {
  return perS === undefined ? '-' : roundCount(perS / unit);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
