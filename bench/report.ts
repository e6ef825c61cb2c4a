/** The result of the benchmark: plain data, stored as JSON. Tables and plots are made from it. */
import type { Machine, Versions } from './harness/machine.js';
import type { SuiteResult } from './suite-result.js';
import type { Target } from './targets.js';

export interface BenchReport {
  readonly command: string;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly seconds: number;
  readonly suites: Readonly<Record<string, SuiteResult>>;
  readonly targets: readonly Target[];
  /** Chunks that had wrong bytes at the receiver. */
  readonly wrongChunks: number;
}
