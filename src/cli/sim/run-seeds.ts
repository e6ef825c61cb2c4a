/** Runs many seeds on several threads and sums up their results. */
import { Worker } from 'node:worker_threads';
import type { Demands } from '../../proof/simulation/world/account.js';
import type { End } from '../../protocol/subjects.js';
import { pairsOf } from './pairs.js';
import { NEXT_SEED, type SeedReport, type SeedWork } from './seed-work.js';

export interface SeedsReport {
  readonly seeds: number;
  /** Fired timers and delivered messages. Every rule is checked after each step. */
  readonly steps: number;
  /** Number of faults, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** For each pair of kinds, the number of seeds in which both struck. */
  readonly pairs: Readonly<Record<string, number>>;
  /** The pair that met least often, and how often. */
  readonly rarestPair: { readonly pair: string; readonly seeds: number } | null;
  /** Accepted requests. */
  readonly requests: number;
  readonly terminal: Readonly<Record<End, number>>;
  /** The number of requests by the ends that their accounts allow (docs/simulation.md). */
  readonly demands: Demands;
  /** Pages that decode engines read and checked under their leases. */
  readonly pagesRead: number;
  /** Seeds that broke a rule. */
  readonly violations: number;
  readonly failing: readonly { readonly seed: number; readonly rule: string; readonly detail: string }[];
  readonly seconds: number;
}

export interface SeedsResult {
  readonly report: SeedsReport;
  readonly shrunk: (Required<Pick<SeedReport, 'shrunk'>>['shrunk'] & { readonly seed: number }) | undefined;
}

const SHARED_NUMBERS = 2;
const MS_PER_S = 1000;
/** Most failing seeds that are listed. All are counted. */
const FAILING_LISTED_MAX = 20;

export async function runSeeds(options: {
  readonly fromSeed: number;
  readonly seeds: number;
  readonly untilFailure: boolean;
  readonly threads: number;
  /** The module that each thread runs. */
  readonly worker: URL;
  readonly onProgress: (done: number, failed: number) => void;
}): Promise<SeedsResult> {
  const shared = new Int32Array(new SharedArrayBuffer(SHARED_NUMBERS * Int32Array.BYTES_PER_ELEMENT));
  shared[NEXT_SEED] = options.fromSeed;
  const { fromSeed, seeds, untilFailure } = options;
  const work: SeedWork = { shared, untilSeed: fromSeed + seeds, untilFailure };
  const startedMs = performance.now();
  const reports: SeedReport[] = [];
  let failed = 0;
  const thread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(options.worker, { workerData: work });
      worker.on('message', (report: SeedReport) => {
        reports.push(report);
        if (report.result.violation !== undefined) failed += 1;
        options.onProgress(reports.length, failed);
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  await Promise.all(Array.from({ length: options.threads }, thread));
  const first = reports.find(({ shrunk }) => shrunk !== undefined);
  const shrunk = first?.shrunk === undefined ? undefined : { seed: first.seed, ...first.shrunk };
  return { report: summarise(reports, (performance.now() - startedMs) / MS_PER_S), shrunk };
}

function summarise(reports: readonly SeedReport[], seconds: number): SeedsReport {
  const faults: Record<string, number> = {};
  const terminal: Record<End, number> = { ready: 0, failed: 0, cancelled: 0, expired: 0 };
  const sum = (value: (report: SeedReport) => number) => reports.reduce((total, report) => total + value(report), 0);
  for (const { result } of reports) {
    for (const [kind, count] of Object.entries(result.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    for (const [end, count] of Object.entries(result.terminal)) terminal[end as End] += count;
  }
  const pairs = pairsOf(reports.map(({ result }) => Object.keys(result.faults)));
  const [rarest] = Object.entries(pairs).sort(([, one], [, other]) => one - other);
  const failing = reports
    .flatMap(({ seed, result: { violation } }) => (violation === undefined ? [] : { seed, ...violation }))
    .sort((one, other) => one.seed - other.seed);
  return {
    seeds: reports.length,
    steps: sum(({ result }) => result.steps),
    faults: Object.fromEntries(Object.entries(faults).sort(([one], [other]) => (one < other ? -1 : 1))),
    pairs,
    rarestPair: rarest === undefined ? null : { pair: rarest[0], seeds: rarest[1] },
    requests: sum(({ result }) => result.requests),
    terminal,
    demands: {
      ready: sum(({ result }) => result.demands.ready),
      readyOrExpired: sum(({ result }) => result.demands.readyOrExpired),
      any: sum(({ result }) => result.demands.any),
    },
    pagesRead: sum(({ result }) => result.pagesRead),
    violations: failing.length,
    failing: failing.slice(0, FAILING_LISTED_MAX),
    seconds: Math.round(seconds),
  };
}
