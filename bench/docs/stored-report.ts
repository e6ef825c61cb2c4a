import type { BenchReport } from '../report.js';
import type { Plot } from './plots.js';

/** A report of bench/results, with the plots that are made of it. */
export interface StoredReport {
  /** Name of its file, without the ending, and of the folder of its plots in docs/benchmarks. */
  readonly name: 'full' | 'quick' | 'peers' | 'vllm';
  readonly report: BenchReport;
  readonly plots: readonly Plot[];
}
