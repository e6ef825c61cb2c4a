/** The table at the top of docs/benchmarks.md: the figures that most readers ask for, in words. */
import { type Figures, medianOf, type Row } from '../suite-result.js';
import type { StoredReport } from './stored-report.js';

interface SummaryRow {
  readonly what: string;
  readonly run: StoredReport['name'];
  readonly suite: string;
  readonly table: string;
  readonly where: Row['parameters'];
  readonly figure: (row: Row) => string;
  readonly beside: (row: Row) => string;
}

const MIB = 1024 ** 2;
const KIB = 1024;
const oneAtATime = { batch: 16, inFlight: 1 };
const memcpy = (row: Row) => `memcpy with one thread: ${rate(row, 'memcpyGbps')}`;
const rawStream = (row: Row) => `one raw TCP stream: ${rate(row, 'tcpStreamGbps')}`;
const kvferry = (row: Row) => rate(row, 'kvferryGbps');
const write = { suite: 'data', table: 'write', figure: kvferry } as const;
const throughAgents = { suite: 'data', table: 'through agents', figure: kvferry } as const;
const alone = { keys: 32, shared: 0, atOnce: 1, senders: 1 };
const requests = { run: 'full', suite: 'control', table: 'requests', where: alone } as const;
const onePrompt = { sharePercent: 0, atOnce: 1 };
const firstToken = {
  run: 'vllm',
  suite: 'vllm',
  table: 'added time to first token',
  figure: (row: Row) => amount(row.figures, 'kvferryAddedMs', 'ms'),
} as const;

const summaryRows: readonly SummaryRow[] = [
  {
    what: 'Same host, batches of 16 chunks of 64 KiB',
    run: 'full',
    ...write,
    where: { path: 'same-host', chunkBytes: 64 * KIB, ...oneAtATime },
    beside: memcpy,
  },
  {
    what: 'Same host, batches of 16 chunks of 1 MiB',
    run: 'full',
    ...write,
    where: { path: 'same-host', chunkBytes: MIB, ...oneAtATime },
    beside: memcpy,
  },
  {
    what: 'TCP over loopback, batches of 16 chunks of 64 KiB',
    run: 'full',
    ...write,
    where: { path: 'tcp', chunkBytes: 64 * KIB, ...oneAtATime },
    beside: rawStream,
  },
  {
    what: 'TCP over loopback, batches of 16 chunks of 1 MiB',
    run: 'full',
    ...write,
    where: { path: 'tcp', chunkBytes: MIB, ...oneAtATime },
    beside: rawStream,
  },
  {
    what: 'Same host, batches of 16 chunks of 1 MiB, run with peers',
    run: 'peers',
    ...write,
    where: { path: 'same-host', chunkBytes: MIB, ...oneAtATime },
    beside: (row) => `NIXL: ${rate(row, 'nixlGbps')}`,
  },
  {
    what: 'TCP over loopback, batches of 16 chunks of 1 MiB, run with peers',
    run: 'peers',
    ...write,
    where: { path: 'tcp', chunkBytes: MIB, ...oneAtATime },
    beside: (row) => `NIXL: ${rate(row, 'nixlGbps')}; Mooncake: ${rate(row, 'mooncakeGbps')}`,
  },
  {
    what: 'Same host through agents, two requests of 16 chunks of 4 MiB at once',
    run: 'full',
    ...throughAgents,
    where: { path: 'same-host', chunkBytes: 4 * MIB, inFlight: 2 },
    beside: memcpy,
  },
  {
    what: 'TCP through agents, two requests of 16 chunks of 4 MiB at once',
    run: 'full',
    ...throughAgents,
    where: { path: 'tcp', chunkBytes: 4 * MIB, inFlight: 2 },
    beside: rawStream,
  },
  {
    ...requests,
    what: 'Put to ready, 32 keys without bytes, median',
    figure: (row) => amount(row.figures, 'readyP50Ms', 'ms'),
    beside: (row) => `three NATS round trips: ${amount(row.figures, 'threeRoundTripsP50Ms', 'ms')}`,
  },
  {
    ...requests,
    what: 'Put to ready, 32 keys without bytes, 99th percentile',
    figure: (row) => amount(row.figures, 'readyP99Ms', 'ms'),
    beside: (row) => `three NATS round trips: ${amount(row.figures, 'threeRoundTripsP99Ms', 'ms')}`,
  },
  {
    what: 'Batches of 32 keys in one decode agent with 16 senders',
    run: 'full',
    suite: 'scale',
    table: 'agent: senders',
    where: { senders: 16 },
    figure: (row) => amount(row.figures, 'batchesPerS', 'a second'),
    beside: () => 'without a network',
  },
  {
    what: 'Correct requests a second, arena full, 5 % of requests aborted',
    run: 'full',
    suite: 'contention',
    table: 'goodput',
    where: { batches: 2, occupancyPercent: 100, abortedPercent: 5 },
    figure: (row) => amount(row.figures, 'kvferryGoodPerS', ''),
    beside: (row) => `model of LMCache's rules: ${amount(row.figures, 'upstreamGoodPerS', '')}`,
  },
  {
    what: 'Sender killed: time until its failure is announced and its pages are free',
    run: 'full',
    suite: 'recovery',
    table: 'killed',
    where: { killed: 'sender', provider: 'same-host', heartbeatMs: 1000 },
    figure: (row) => amount(row.figures, 'reclaimMs', 'ms'),
    beside: () => 'heartbeat of 1,000 ms, limit of 2.75 heartbeats',
  },
  {
    what: 'vLLM, prompt of 12 MiB, same host: first token later than with one vLLM alone',
    ...firstToken,
    where: { path: 'same-host', ...onePrompt },
    beside: (row) =>
      `NIXL: ${amount(row.figures, 'nixlAddedMs', 'ms')}; files in memory: ${amount(row.figures, 'sharedStorageAddedMs', 'ms')}`,
  },
  {
    what: 'vLLM, prompt of 12 MiB, TCP: first token later than with one vLLM alone',
    ...firstToken,
    where: { path: 'tcp', ...onePrompt },
    beside: (row) => `NIXL: ${amount(row.figures, 'nixlAddedMs', 'ms')}`,
  },
];

/** Cells of the table. A row that was not measured is left out. */
export function summaryOf(reports: readonly StoredReport[]): string[][] {
  return summaryRows.flatMap(({ what, run, suite, table, where, figure, beside }) => {
    const rows = reports.find(({ name }) => name === run)?.report.suites[suite]?.rows ?? [];
    const row = rows.find((one) => one.table === table && matches(one, where));
    return row === undefined ? [] : [[what, figure(row), beside(row)]];
  });
}

function matches({ parameters }: Row, where: Row['parameters']): boolean {
  return Object.entries(where).every(([name, value]) => parameters[name] === value);
}

function rate({ figures }: Row, name: string): string {
  return amount(figures, name, 'GB/s');
}

function amount(figures: Figures, name: string, unit: string): string {
  const value = medianOf({ figures }, name);
  if (value === undefined) throw new Error(`a row of the summary has no figure ${name}`);
  return `${Number(value.toPrecision(3)).toLocaleString('en-US')} ${unit}`.trim();
}
