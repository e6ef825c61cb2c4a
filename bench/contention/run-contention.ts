/** The contention suite: the same workload on the shipped store and on a model of upstream's rules, in simulated time. */

import { rounded } from '../../src/figures/statistics.js';
import type { Teardown } from '../../src/processes/teardown.js';
import type { Bench } from '../bench.js';
import type { Row, SuiteResult } from '../suite-result.js';
import { KvferrySystem } from './kvferry-system.js';
import { runWorkload, type WorkloadResult } from './run-workload.js';
import { UpstreamModel } from './upstream-model.js';
import { makeWorkload, pagesWanted } from './workload.js';

const AT_ONCE = 16;
/**
 * How full the arena is when no request waits, in percent, and its size for that. At 100 % the arena is always full: the
 * requests need 1.5 times its pages.
 */
const OCCUPANCIES = [
  { percent: 50, pagesOfWanted: 2 },
  { percent: 95, pagesOfWanted: 1 / 0.95 },
  { percent: 100, pagesOfWanted: 2 / 3 },
] as const;
const ABORTED_PERCENT = [0, 5, 30] as const;
const BATCHES = [1, 2] as const;
const REQUESTS = { quick: 1000, full: 10_000 };
const SEED = 7;

export async function runContention(bench: Bench, _teardown: Teardown): Promise<SuiteResult> {
  const requests = bench.quick ? REQUESTS.quick : REQUESTS.full;
  const rows: Row[] = [];
  bench.progress.begin('contention', OCCUPANCIES.length * ABORTED_PERCENT.length * BATCHES.length);
  for (const batches of BATCHES) {
    for (const { percent: occupancyPercent, pagesOfWanted } of OCCUPANCIES) {
      for (const abortedPercent of ABORTED_PERCENT) {
        bench.progress.step(`${occupancyPercent} % occupied, ${abortedPercent} % aborted`);
        const workload = makeWorkload({ seed: SEED, requests, batches, aborted: abortedPercent / 100 });
        const size = { pages: Math.round(pagesWanted(AT_ONCE) * pagesOfWanted), atOnce: AT_ONCE };
        const ours = runWorkload(workload, size, (...parts) => new KvferrySystem(...parts));
        const upstream = runWorkload(workload, size, (...parts) => new UpstreamModel(...parts));
        rows.push({
          table: 'goodput',
          parameters: { batches, occupancyPercent, abortedPercent, pages: size.pages },
          figures: { ...figuresOf('kvferry', ours), ...figuresOf('upstream', upstream) },
        });
      }
    }
  }
  bench.progress.end();
  return { rows, notRun: [] };
}

function figuresOf(name: string, { goodPerS, wrong, lost, lostPages, occupied }: WorkloadResult) {
  return {
    [`${name}GoodPerS`]: rounded(goodPerS),
    [`${name}Wrong`]: wrong,
    [`${name}Lost`]: lost,
    [`${name}LostPages`]: lostPages,
    [`${name}Occupied`]: rounded(occupied),
  };
}
