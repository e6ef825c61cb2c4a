/** The demo without the phase that measures the rate. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { patient } from '../../src/processes/patience.js';
import { MAIN, missing } from './support.js';

const TIMEOUT_MS = patient(60_000);

test.skipIf(missing !== undefined)(
  '--quiet-bytes 0 → the load is checked, and no agents start for the rate',
  async () => {
    const args = ['demo', '--requests', '4', '--page-bytes', '64KiB', '--quiet-bytes', '0', '--json'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], { timeout: TIMEOUT_MS });
    expect(stderr).not.toContain('Quiet phase');
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ requests: 4, ready: 4, mismatches: 0, leakedPages: 0, gbps: null, controlMs: null });
  },
  TIMEOUT_MS,
);
