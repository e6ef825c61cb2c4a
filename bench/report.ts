/** What the benchmark found: plain data, stored as JSON, from which tables and plots are made. */
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
  /** Chunks whose bytes were not, at the receiver, what had been sent. */
  readonly wrongChunks: number;
}
