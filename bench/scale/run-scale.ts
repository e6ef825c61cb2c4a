/** The scale suite: the cost of a batch and the memory of a key as the numbers grow. */
import { fileURLToPath } from 'node:url';
import { growthExponent, percentile, rounded, spreadOf } from '../../src/figures/statistics.js';
import { type ChildProcess, startChild } from '../../src/processes/child-process.js';
import type { Teardown } from '../../src/processes/teardown.js';
import type { Bench } from '../bench.js';
import { ask } from '../harness/ask.js';
import { interleave } from '../harness/interleave.js';
import type { Row, SuiteResult } from '../suite-result.js';
import type { AgentAnswer, AgentQuestion } from './agent-process.js';
import type { Filling } from './filled-store.js';
import type { StoreAnswers, StoreQuestion } from './store-process.js';

const KEYS_PER_BATCH = 32;
const TIMEOUT_MS = 300_000;
const US_PER_S = 1e6;
/** Batches before the measurement, which compile the code. */
const WARM_UP_ROUNDS = 2;
/** Free pages of every store, for the batches that pass through. */
const SPARE_PAGES = 1024;

/** Less than this is noise of the garbage collector. */
const HEAP_BYTES_MIN = 2 * 1024 ** 2;

interface ScaleSizes {
  readonly keys: readonly number[];
  readonly pages: readonly number[];
  readonly live: readonly number[];
  readonly senders: readonly number[];
  readonly batches: number;
  readonly rounds: number;
}

const full: ScaleSizes = {
  keys: [1000, 10_000, 100_000, 1_000_000],
  pages: [2000, 20_000, 200_000, 1_000_000],
  live: [10, 100, 1000, 10_000],
  senders: [1, 4, 16, 64],
  batches: 2000,
  rounds: 7,
};
const quick: ScaleSizes = { ...full, senders: [1, 8, 64], batches: 500, rounds: 3 };

export async function runScale(bench: Bench, teardown: Teardown): Promise<SuiteResult> {
  const sizes = bench.quick ? quick : full;
  const logDirectory = bench.workDirectory(teardown);
  const { batches, rounds } = sizes;
  const start = (name: string) =>
    startChild(
      {
        name,
        command: process.execPath,
        args: ['--expose-gc', fileURLToPath(new URL(`${name}.js`, import.meta.url))],
        env: process.env,
        logPath: `${logDirectory}/${name}.log`,
        channel: true,
      },
      teardown,
    );
  const measureStores = async (
    table: string,
    what: string,
    counts: readonly number[],
    fill: (n: number) => Filling,
  ) => {
    bench.progress.step(table);
    const stores = counts.map(() => start('store-process'));
    const heapBytes: number[] = [];
    for (const [index, store] of stores.entries()) {
      const filling = fill(counts[index] ?? 0);
      heapBytes.push((await order(store, { type: 'fill', filling })).heapBytes);
    }
    const measure: StoreQuestion = { type: 'measure', keysPerBatch: KEYS_PER_BATCH, batches };
    const turns = stores.map((store, index) => ({ name: `${index}`, take: () => order(store, measure) }));
    const taken = await interleave(turns, { rounds, warmUpRounds: WARM_UP_ROUNDS });
    await Promise.all(stores.map((store) => store.stop()));
    const batchUs = turns.map(({ name }) => (taken.get(name) ?? []).map((answer) => answer.batchUs));
    return rowsOf(table, what, counts, batchUs, heapBytes);
  };
  bench.progress.begin('scale', 4);
  const keys = await measureStores('store: tracked keys', 'trackedKeys', sizes.keys, (trackedKeys) => ({
    trackedKeys,
    pages: trackedKeys + SPARE_PAGES,
    liveRequests: 0,
  }));
  const pages = await measureStores('store: pages', 'pages', sizes.pages, (count) => ({
    trackedKeys: 0,
    pages: count,
    liveRequests: 0,
  }));
  const live = await measureStores('store: live requests', 'liveRequests', sizes.live, (liveRequests) => ({
    trackedKeys: 0,
    pages: 2 * liveRequests + SPARE_PAGES,
    liveRequests,
  }));
  bench.progress.step('agent: senders');
  const question: AgentQuestion = { senders: sizes.senders, keysPerBatch: KEYS_PER_BATCH, batches, rounds };
  const { batchUs } = await ask<AgentAnswer>(start('agent-process'), question, TIMEOUT_MS);
  const agents = rowsOf('agent: senders', 'senders', sizes.senders, batchUs);
  bench.progress.end();
  return { rows: [...keys, ...pages, ...live, ...agents], notRun: [] };
}

function order<Q extends StoreQuestion>(program: ChildProcess, question: Q): Promise<StoreAnswers[Q['type']]> {
  return ask(program, question, TIMEOUT_MS);
}

/** A row for each size, and one with the growth of the cost from the first to the last. */
function rowsOf(
  table: string,
  what: string,
  sizes: readonly number[],
  batchUs: readonly (readonly number[])[],
  heapBytes?: readonly number[],
): Row[] {
  const points = sizes.map((size, index) => ({ size, cost: percentile(batchUs[index] ?? [], 0.5) }));
  const costs = points.map(({ cost }) => cost);
  const rows = sizes.map((size, index): Row => {
    const rounds = batchUs[index] ?? [];
    const heap = heapBytes?.[index];
    return {
      table,
      parameters: { [what]: size },
      figures: {
        perKeyUs: spreadOf(rounds.map((us) => us / KEYS_PER_BATCH)),
        batchesPerS: spreadOf(rounds.map((us) => US_PER_S / us)),
        ...(heap === undefined || heap < HEAP_BYTES_MIN
          ? {}
          : { heapBytes: heap, heapBytesPerOne: rounded(heap / size) }),
      },
    };
  });
  const growth: Row = {
    table: 'growth',
    parameters: { of: table, from: sizes[0] ?? 0, to: sizes.at(-1) ?? 0 },
    figures: {
      exponent: growthExponent(points),
      dearestOverCheapest: rounded(Math.max(...costs) / Math.min(...costs)),
    },
  };
  return [...rows, growth];
}
