/** More seeds and more worlds than the tests have, for mutants that the tests do not find. */
import { expect, test } from 'vitest';
import { scenarioOf } from '../../../src/proof/simulation/world/draw-scenario.js';
import { runScenario } from '../../../src/proof/simulation/world/run-scenario.js';
import { shortNames, worlds } from '../exploration/worlds.js';

const SEEDS = 300;
const FIRST_SEED = 1001;
const STATES_MAX = 150_000;
const TIMEOUT_MS = 600_000;

test(
  'exploration of every world, up to a number of states → no violation',
  () => {
    for (const name of shortNames) {
      const violation = worlds[name]?.({ statesMax: STATES_MAX }).violation;
      expect({ name, violation }).toEqual({ name, violation: undefined });
    }
  },
  TIMEOUT_MS,
);

test(
  'random scenarios → no violation',
  async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const { violation } = await runScenario(scenarioOf(seed));
      expect({ seed, violation }).toEqual({ seed, violation: undefined });
    }
  },
  TIMEOUT_MS,
);
