/** What one suite found: rows of figures, and what could not be measured. */
import type { Spread } from '../src/figures/statistics.js';

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

/** A figure's median, or the figure itself; undefined when the row does not have it. */
export function medianOf(row: Row, figure: string): number | undefined {
  const value = row.figures[figure];
  return typeof value === 'object' ? value.median : value;
}
