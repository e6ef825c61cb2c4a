import { Stopwatch } from './stopwatch.js';

/** One case of the turns suite. */
export interface TurnCase {
  readonly name: string;
  /** How much of it there is. */
  readonly size: string;
  /** The longest turn that is allowed, in milliseconds. */
  readonly boundMs: number;
  /** Resolves with the longest turn of each of so many rounds, in milliseconds. */
  readonly longest: (rounds: number) => Promise<number[]>;
}

/** Each round sets the case up. */
export function afresh(round: () => Promise<number>): TurnCase['longest'] {
  return async (rounds) => {
    const longest: number[] = [];
    for (let number = 0; number < rounds; number += 1) longest.push(await round());
    return longest;
  };
}

/** For a case that only looks: all rounds look at what was set up once. */
export function lookingAt<Made>(
  make: () => Promise<Made>,
  look: (made: Made, watch: Stopwatch) => Promise<void>,
  end: (made: Made) => Promise<void> = async () => undefined,
): TurnCase['longest'] {
  return async (rounds) => {
    const made = await make();
    const longest = await afresh(async () => {
      const watch = new Stopwatch();
      await look(made, watch);
      return watch.longestMs;
    })(rounds);
    await end(made);
    return longest;
  };
}

/** At the default limits. */
export const DEFAULT_BOUND_MS = 20;
/** At the largest limits that the configuration allows. */
export const LARGEST_BOUND_MS = 50;

/** `count` names that begin with `prefix`. */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}
