/** What the benchmark found: plain data, stored as JSON, from which tables and plots are made. */
import type { Machine, Versions } from './harness/machine.js';
import type { Spread } from './harness/statistics.js';
import type { Target } from './targets.js';

/** A figure's unit is the last part of its name. */
export type Figures = Readonly<Record<string, Spread | number>>;

/** One case: what was varied, and what came of it, with its baselines beside it. */
export interface Row {
  /** Which table of its suite it belongs to. */
  readonly table: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly figures: Figures;
}

/** Something that should have been measured and could not be. */
export interface NotRun {
  readonly what: string;
  readonly reason: string;
}

export interface SuiteResult {
  readonly rows: readonly Row[];
  readonly notRun: readonly NotRun[];
}

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

/** A figure's median, or the figure itself; undefined when the row does not have it. */
export function medianOf(row: Row, figure: string): number | undefined {
  const value = row.figures[figure];
  return typeof value === 'object' ? value.median : value;
}
