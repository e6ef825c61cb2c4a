/** The last complete run, as docs/mutants/run.json has it and docs/mutants.md shows it. */
import type { StoredMutant } from '../../../scripts/docs/mutants-page.js';
import type { Outcome } from './check-mutant.js';
import type { Mutant } from './mutant.js';

/** Every mutant with its outcome, in the order of the list. A mutant that was not checked counts as not found. */
export function storedRun(mutants: readonly Mutant[], outcomes: readonly Outcome[]): readonly StoredMutant[] {
  const foundBy = new Map(outcomes.map((outcome) => [outcome.id, outcome.foundBy]));
  return mutants.map(({ id, module, defect, equivalent }) => {
    const found = foundBy.get(id);
    if (equivalent !== undefined) return { id, module, defect, equivalent };
    return found === undefined ? { id, module, defect } : { id, module, defect, foundBy: found };
  });
}

/** The mutants that a stored run has found. */
export function foundIn(run: readonly StoredMutant[]): readonly Outcome[] {
  return run.flatMap(({ id, foundBy }) => (foundBy === undefined ? [] : [{ id, foundBy, seconds: 0 }]));
}
