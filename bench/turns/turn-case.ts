/** One case of the turns suite. */
export interface TurnCase {
  readonly name: string;
  /** How much of it there is. */
  readonly size: string;
  /** The longest turn that is allowed, in milliseconds. */
  readonly boundMs: number;
  /** Sets the case up and runs it once. Resolves with the longest turn, in milliseconds. */
  readonly run: () => Promise<number>;
}

/** At the default limits. */
export const DEFAULT_BOUND_MS = 20;
/** At the largest limits that the configuration allows. */
export const LARGEST_BOUND_MS = 50;

/** `count` names that begin with `prefix`. */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}
