/** Input and output of a thread that runs seeds. */
import type { ScenarioResult } from '../../proof/simulation/world/run-scenario.js';
import type { Scenario } from '../../proof/simulation/world/scenario.js';
import type { Violation } from '../../proof/simulation/world/world.js';

export interface SeedWork {
  /** Shared by all threads: the next seed, and whether a failing seed is being shrunk. */
  readonly shared: Int32Array;
  readonly untilSeed: number;
  /** Start no new seed after a failure. */
  readonly untilFailure: boolean;
}

export const NEXT_SEED = 0;
export const FAILED = 1;

export type SeedReport = { readonly seed: number; readonly result: Omit<ScenarioResult, 'trace'> } & {
  /** For the first failing seed only. */
  readonly shrunk?: {
    readonly scenario: Scenario;
    readonly violation: Violation | undefined;
    readonly trace: readonly string[];
  };
};
