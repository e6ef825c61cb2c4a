/** T15: proof that the simulator's checks see what is wrong. Global set-up has compiled the program that it runs. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { SeedsReport } from '../../../src/cli/sim/run-seeds.js';
import { patient } from '../../../src/processes/patience.js';
import { scenarioOf } from '../../../src/proof/simulation/world/draw-scenario.js';
import { defects } from './planted/defects.js';

const root = path.resolve(import.meta.dirname, '../../..');
/** The defect that is hardest to see (S13) breaks a rule in about one of a thousand scenarios. */
const SEEDS = 1500;
const TEST_TIMEOUT_MS = patient(300_000);

test.each(Object.keys(defects))(
  'T15: the defect %s, planted in the shipped code → found',
  (defect) => {
    const main = ['dist/test/proof/simulation/main.js', '--planted', defect];
    const flags = ['--seeds', `${SEEDS}`, '--until-failure', '--json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [...main, ...flags], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('shrunk: ') });
    const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as SeedsReport;
    expect(report.violations).toBeGreaterThan(0);
    // The seed that shows it, made small enough to be read.
    const [, seed, requests] = /Seed (\d+), shrunk: \d+ agents, (\d+) requests/.exec(stderr) ?? [];
    expect(scenarioOf(Number(seed)).requests.length).toBeGreaterThan(Number(requests));
    expect(stderr).toContain(`kvferry sim --seed ${seed} --trace`);
  },
  TEST_TIMEOUT_MS,
);
