/** What a run over all mutants shows. */
import type { Outcome } from './check-mutant.js';
import type { Mutant } from './mutant.js';

export interface MutantsReport {
  readonly planted: number;
  readonly found: number;
  /** Mutants whose behaviour cannot differ. */
  readonly equivalent: number;
  readonly survivors: readonly { readonly id: string; readonly defect: string }[];
  /** Found mutants among those that are not equivalent: 0 to 1. */
  readonly score: number;
  /** Found mutants by the folder of the check. */
  readonly byCheck: Readonly<Record<string, number>>;
}

export function reportOf(mutants: readonly Mutant[], outcomes: readonly Outcome[]): MutantsReport {
  const foundBy = new Map(outcomes.map((outcome) => [outcome.id, outcome.foundBy]));
  const checked = mutants.filter(({ id }) => foundBy.has(id));
  const survivors = checked.filter(({ id }) => foundBy.get(id) === undefined).map(({ id, defect }) => ({ id, defect }));
  const equivalent = mutants.filter((mutant) => mutant.equivalent !== undefined).length;
  const found = checked.length - survivors.length;
  const byCheck: Record<string, number> = {};
  for (const check of foundBy.values()) {
    if (check === undefined) continue;
    const folder = check.split('/').slice(0, -1).join('/') || check;
    byCheck[folder] = (byCheck[folder] ?? 0) + 1;
  }
  const score = checked.length === 0 ? 0 : Math.round((found / checked.length) * 1000) / 1000;
  return { planted: checked.length + equivalent, found, equivalent, survivors, score, byCheck };
}
