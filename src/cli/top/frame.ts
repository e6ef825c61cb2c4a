/** The lines on the screen: a pure function of the measurements and the view. */
import { roundAge, roundCount } from '../../figures/units.js';
import type { PageCounts } from '../../protocol/fields.js';
import { ends } from '../../protocol/subjects.js';
import { printable } from '../printable.js';
import { type Column, clip, type Table, table } from './columns.js';
import type { AgentMeasure, Measure, RequestMeasure } from './measure.js';
import { help, type Sort, type View } from './view.js';

export interface FrameOptions {
  /** Address of NATS, without credentials. */
  readonly address: string;
  readonly intervalMs: number;
  readonly columns: number;
  /** Most lines; undefined: no limit, for a frame that is printed to a file or pipe. */
  readonly rows?: number | undefined;
}

const BAR_WIDTH = 16;
const BYTES_PER_MB = 1e6;
const BYTES_PER_GB = 1e9;
const MS_PER_S = 1000;
/** Most of the lines that agents get when both tables are shown, as a fraction. */
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

/** At most `rows` lines of at most `columns` characters. `measured` is undefined before the first answers. */
export function frame(measured: Measure | undefined, view: View, options: FrameOptions): string[] {
  const { columns, rows = Number.POSITIVE_INFINITY } = options;
  const lines = [...header(measured, view, options), ''];
  // A printed frame has no keys.
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
    ...(measured?.isConnected === false ? ['NATS IS DISCONNECTED'] : []),
    ...(view.filter === '' ? [] : [`filter: ${view.filter}`]),
    ...(view.sort === 'age' ? [] : [`sorted by ${view.sort}`]),
  ];
  const title = ['kvferry top', address, `every ${intervalMs / MS_PER_S} s`, ...flags].join('  ');
  if (measured === undefined) return [title, 'waiting for the first answers of agents'];
  const { agents, silent, requests, writtenBytesPerS, endsPerS } = measured.totals;
  const ended = ends.map((end) => `${roundCount(endsPerS[end])} ${end}`).join(', ');
  return [
    title,
    `${agents} agents${silent === 0 ? '' : ` (${silent} silent)`}  ${requests} requests${rowsOf(measured)}  ` +
      `${(writtenBytesPerS / BYTES_PER_GB).toFixed(2)} GB/s  ends/s: ${ended}`,
  ];
}

/** Each agent of a request has a row for it, so there are more rows than requests. */
function rowsOf({ requests, totals }: Measure): string {
  return requests.length > totals.requests ? ` (${requests.length} rows)` : '';
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
      return [...tooNarrowFor(agentTable), ...shown(agentTable, room - tooNarrowFor(agentTable).length, view.scroll)];
    case 'requests':
      return [
        ...tooNarrowFor(requestTable),
        ...shown(requestTable, room - tooNarrowFor(requestTable).length, view.scroll),
      ];
    case 'all': {
      const notice = tooNarrowFor(agentTable, requestTable);
      const half = Math.max(2, Math.floor(room * AGENTS_SHARE));
      const upper = [...notice, ...shown(agentTable, half - notice.length, 0)];
      return [...upper, '', ...shown(requestTable, room - upper.length - 1, view.scroll)];
    }
  }
}

/** Says which columns the screen is too narrow for; no line when it shows them all. */
function tooNarrowFor(...tables: readonly Table[]): string[] {
  const leftOut = tables.flatMap((each) => each.leftOut);
  return leftOut.length === 0 ? [] : [`Too narrow for: ${leftOut.join(', ')}. Widen the window, or use --json.`];
}

/** The part of a table that fits, from the row to which the user has scrolled. */
function shown({ head, rows }: Table, room: number, scroll: number): string[] {
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
    // A count above zero gets at least one letter.
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
