/** T15: random traffic with every kind of failure, on the shipped code; and proof that the checks see what is wrong. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { SeedsReport } from '../../../src/cli/sim/run-seeds.js';
import { runScenario } from '../../../src/proof/simulation/world/run-scenario.js';
import { type Scenario, scenarioOf } from '../../../src/proof/simulation/world/scenario.js';
import { defects } from './planted/defects.js';

const root = path.resolve(import.meta.dirname, '../../..');
/** Of seeds that failed, made smaller (docs/simulation.md). */
const scenarios = path.join(import.meta.dirname, 'scenarios');
const SEEDS = 120;
/** The defect that shows least shows in one of some hundred scenarios. */
const PLANTED_SEEDS = 500;
const TEST_TIMEOUT_MS = 180_000;

test(
  'T15, P12: nothing is broken at any step, and every accepted request has exactly one end',
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
      'crash',
      'cutOff',
      'decodeCrash',
      'freeze',
      'messageDelayed',
      'messageLost',
      'messageReordered',
      'messageRepeated',
      'natsRestart',
      'neverReleases',
      'partition',
      'prefillCrash',
      'routerCrash',
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
    await runScenario(scenarioOf(7), { trace: true }),
    await runScenario(scenarioOf(7), { trace: true }),
  ];
  const [first, second] = stories;
  expect(first?.trace.length).toBeGreaterThan(500);
  expect(second).toEqual(first);
});

describe('defects of upstream, planted in the shipped code, are found', () => {
  beforeAll(() => {
    execFileSync('npx', ['tsc', '-p', 'test/tsconfig.json'], { cwd: root, stdio: 'inherit' });
  }, TEST_TIMEOUT_MS);

  for (const defect of Object.keys(defects)) {
    test(
      `${defect} planted`,
      () => {
        const main = ['dist/test/proof/simulation/main.js', '--planted', defect];
        const flags = ['--seeds', `${PLANTED_SEEDS}`, '--until-failure', '--json'];
        const { status, stdout, stderr } = spawnSync(process.execPath, [...main, ...flags], {
          cwd: root,
          encoding: 'utf8',
        });
        expect(status).toBe(1);
        const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as SeedsReport;
        expect(report.violations).toBeGreaterThan(0);
        // The seed that shows it, made small enough to be read.
        const [, seed, requests] = /Seed (\d+), shrunk: \d+ agents, (\d+) requests/.exec(stderr) ?? [];
        expect(scenarioOf(Number(seed)).requests.length).toBeGreaterThan(Number(requests));
        expect(stderr).toContain(`kvferry sim --seed ${seed} --trace`);
      },
      TEST_TIMEOUT_MS,
    );
  }
});
