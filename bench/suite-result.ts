/** The result of one suite: rows of figures, and cases that could not be measured. */
import type { Spread } from '../src/figures/statistics.js';

/** Figures by name. The last part of a name is the unit. */
export type Figures = Readonly<Record<string, Spread | number | boolean>>;

/** One case: its parameters, and its figures with their baselines. */
export interface Row {
  /** Table of the suite that the row belongs to. */
  readonly table: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly figures: Figures;
}

/** A case that could not be measured. */
export interface NotRun {
  readonly what: string;
  readonly reason: string;
}

export interface SuiteResult {
  readonly rows: readonly Row[];
  readonly notRun: readonly NotRun[];
  /** Of programs that only this suite runs. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** The median of a figure, or the figure itself if it is a number. Undefined if the row has no such number. */
export function medianOf({ figures }: Pick<Row, 'figures'>, figure: string): number | undefined {
  const value = figures[figure];
  if (typeof value === 'boolean') return undefined;
  return typeof value === 'object' ? value.median : value;
}
