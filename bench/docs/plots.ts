/** The plots of the benchmarks pages: which figures they show, and how these are grouped. */
import { formatBytes } from '../../src/figures/units.js';
import { type Bar, type BarChart, drawBarChart } from '../plots/bar-chart.js';
import type { BenchReport } from '../report.js';
import type { Row } from '../suite-result.js';

export interface Plot {
  /** Name of the file, without its ending. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

const PATHS = {
  'same-host': { title: 'Same host', baseline: 'memcpy', baselineName: 'memcpy, one thread' },
  tcp: { title: 'TCP over loopback', baseline: 'tcpStream', baselineName: 'one raw stream' },
} as const;
const PEERS = { nixl: 'NIXL', mooncake: 'Mooncake', lmcache: 'LMCache' } as const;
/** Chunks of a batch: about one step of chunked prefill. */
const BATCH = 16;

/** Makes every plot whose rows were measured. */
export function plotsOf(report: BenchReport): Plot[] {
  const charts: [string, BarChart | undefined][] = [
    ...Object.entries(PATHS).map(([path, names]): [string, BarChart | undefined] => [
      `write-${path}`,
      writeChart(report, path, names),
    ]),
    ['put-to-ready', readyChart(report)],
    ['goodput', goodputChart(report)],
    ['scale', scaleChart(report)],
    ...Object.entries(PATHS).map(([path, { title }]): [string, BarChart | undefined] => [
      `vllm-${path}`,
      vllmChart(report, path, title),
    ]),
  ];
  return charts.flatMap(([name, chart]) =>
    chart === undefined ? [] : [{ name, title: chart.title, svg: drawBarChart(chart) }],
  );
}

function writeChart(
  report: BenchReport,
  path: string,
  { title, baseline, baselineName }: (typeof PATHS)[keyof typeof PATHS],
): BarChart | undefined {
  const rows = rowsOf(report, 'data', 'write').filter(
    ({ parameters }) => parameters['path'] === path && parameters['batch'] === BATCH && parameters['inFlight'] === 1,
  );
  const peers = Object.entries(PEERS).filter(([peer]) => rows.some((row) => `${peer}Gbps` in row.figures));
  return chartOf(rows, {
    title: `${title}: batches of ${BATCH} chunks, one at a time`,
    unit: 'GB/s',
    series: [
      ['kvferry', 'kvferryGbps'],
      [baselineName, `${baseline}Gbps`],
      ...peers.map(([peer, name]) => [name, `${peer}Gbps`] as const),
    ],
    label: ({ chunkBytes }) => formatBytes(Number(chunkBytes)),
  });
}

function readyChart(report: BenchReport): BarChart | undefined {
  const rows = rowsOf(report, 'control', 'requests').filter(
    ({ parameters }) => parameters['atOnce'] === 1 && parameters['senders'] === 1 && parameters['shared'] === 0,
  );
  return chartOf(
    rows.toSorted((a, b) => Number(a.parameters['keys']) - Number(b.parameters['keys'])),
    {
      title: 'Put to ready without bytes, one request at a time, p50',
      unit: 'ms',
      series: [
        ['kvferry', 'readyP50Ms'],
        ['three bare NATS round trips', 'threeRoundTripsP50Ms'],
      ],
      label: ({ keys }) => `${keys} keys`,
    },
  );
}

function goodputChart(report: BenchReport): BarChart | undefined {
  return chartOf(
    rowsOf(report, 'contention', 'goodput').filter(({ parameters }) => parameters['batches'] === 2),
    {
      title: 'Requests a second with the right bytes; below: arena occupied, requests aborted',
      unit: '1/s',
      series: [
        ["kvferry's store", 'kvferryGoodPerS'],
        ["model of upstream's rules", 'upstreamGoodPerS'],
      ],
      label: ({ occupancyPercent, abortedPercent }) => `${occupancyPercent} %, ${abortedPercent} %`,
    },
  );
}

function scaleChart(report: BenchReport): BarChart | undefined {
  return chartOf(rowsOf(report, 'scale', 'store: tracked keys'), {
    title: 'What a key costs the store, by keys that are tracked already',
    unit: 'µs',
    series: [['allocate, commit, release', 'perKeyUs']],
    label: ({ trackedKeys }) => Number(trackedKeys).toLocaleString('en-US'),
  });
}

function vllmChart(report: BenchReport, path: string, title: string): BarChart | undefined {
  const rows = rowsOf(report, 'vllm', 'from the question to decode to its first token');
  return chartOf(
    rows.filter(({ parameters }) => parameters['path'] === path),
    {
      title: `${title}: from the question to decode to its first token; below: shared, prompts at once`,
      unit: 'ms',
      series: [
        ['kvferry', 'kvferryMs'],
        ['NIXL', 'nixlMs'],
        ...(path === 'same-host' ? [['shared storage', 'sharedStorageMs'] as const] : []),
        ['recomputation', 'recomputedMs'],
      ],
      label: ({ sharePercent, atOnce }) => `${sharePercent} %, ${atOnce}`,
    },
  );
}

function rowsOf(report: BenchReport, suite: string, table: string): Row[] {
  return report.suites[suite]?.rows.filter((row) => row.table === table) ?? [];
}

function chartOf(
  rows: readonly Row[],
  options: {
    readonly title: string;
    readonly unit: string;
    readonly series: readonly (readonly [name: string, figure: string])[];
    readonly label: (parameters: Row['parameters']) => string;
  },
): BarChart | undefined {
  if (rows.length === 0) return undefined;
  const { title, unit, series, label } = options;
  const groups = rows.map((row) => ({
    label: label(row.parameters),
    bars: series.map(([, figure]) => barOf(row, figure)),
  }));
  return { title, unit, series: series.map(([name]) => name), groups };
}

function barOf(row: Row, name: string): Bar | undefined {
  const figure = row.figures[name];
  if (typeof figure === 'number') return { value: figure };
  return typeof figure === 'object' ? { value: figure.median, min: figure.min, max: figure.max } : undefined;
}
