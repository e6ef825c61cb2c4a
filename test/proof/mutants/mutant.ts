/** A realistic defect in one place of the shipped code. A check that does not find it proves little. */
export interface Mutant {
  /** Unique, and stable: results are stored under it. */
  readonly id: string;
  /** Path of the module, relative to the root of the repository. */
  readonly module: string;
  /** Text of the module that occurs exactly once, and what replaces it. */
  readonly find: string;
  readonly replace: string;
  /** What the defect does, as a mistake of a developer. */
  readonly defect: string;
  /** Why no behaviour can differ. Such a mutant needs no check. */
  readonly equivalent?: string;
}

/** The source of a module with the mutant in it. Throws when the text does not occur exactly once. */
export function mutated({ id, module, find, replace }: Mutant, source: string): string {
  const found = source.split(find).length - 1;
  if (found !== 1)
    throw new Error(`mutant ${id}: ${module} must have this text once, and has it ${found} times: ${find}`);
  return source.replace(find, () => replace);
}
