/** T15: random traffic with every kind of failure, on the shipped code. `npm run sim` runs more of it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { patient } from '../../../src/processes/patience.js';
import { scenarioOf } from '../../../src/proof/simulation/world/draw-scenario.js';
import { runScenario } from '../../../src/proof/simulation/world/run-scenario.js';
import type { Scenario } from '../../../src/proof/simulation/world/scenario.js';

/** Shrunk scenarios of seeds that failed (docs/simulation.md). */
const scenarios = path.join(import.meta.dirname, 'scenarios');
/** The first 40 seeds have every kind of fault. */
const SEEDS = 40;
const TEST_TIMEOUT_MS = patient(180_000);

test(
  'T15, P12: random faults → no rule is broken, every accepted request ends once',
  async () => {
    const faults: Record<string, number> = {};
    let requests = 0;
    let ends = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const result = await runScenario(scenarioOf(seed));
      expect({ seed, violation: result.violation }).toEqual({ seed, violation: undefined });
      for (const [kind, count] of Object.entries(result.faults)) faults[kind] = (faults[kind] ?? 0) + count;
      requests += result.requests;
      ends += Object.values(result.terminal).reduce((total, count) => total + count, 0);
    }
    expect(ends).toBe(requests);
    expect(Object.keys(faults).sort()).toEqual([
      'arenaFull',
      'cancel',
      'clockSkew',
      'clockStep',
      'crash',
      'cutOff',
      'decodeCrash',
      'engineDeath',
      'freeze',
      'messageDelayed',
      'messageLost',
      'messageReordered',
      'messageRepeated',
      'natsRestart',
      'neverReleases',
      'partition',
      'paused',
      'prefillCrash',
      'revokeSlow',
      'routeReset',
      'routerCrash',
      'serverFrozen',
      'severed',
      'writeBroken',
      'writeFailed',
      'writeLate',
      'writeSlow',
    ]);
  },
  TEST_TIMEOUT_MS,
);

test.each(readdirSync(scenarios))('P12: what once broke a rule does not any more: %s', async (file) => {
  const scenario = JSON.parse(readFileSync(path.join(scenarios, file), 'utf8')) as Scenario;
  const { violation, requests } = await runScenario(scenario);
  expect(violation).toBeUndefined();
  expect(requests).toBeGreaterThan(0);
});

test('one seed is one story: it is replayed to the letter, message by message', async () => {
  const stories = [
    await runScenario(scenarioOf(10), { trace: true }),
    await runScenario(scenarioOf(10), { trace: true }),
  ];
  const [first, second] = stories;
  expect(first?.trace.length).toBeGreaterThan(500);
  expect(second).toEqual(first);
});
