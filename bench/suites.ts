/** What each part of the benchmark is. */
import type { Bench } from './bench.js';
import { runControl } from './control/run-control.js';
import { runData } from './data/run-data.js';
import type { Teardown } from './harness/teardown.js';
import type { SuiteResult } from './report.js';
import type { SuiteName } from './suite-names.js';

export type RunSuite = (bench: Bench, teardown: Teardown) => Promise<SuiteResult>;

export const suites: Readonly<Record<SuiteName, RunSuite>> = {
  data: runData,
  control: runControl,
};
