/**
 * libfabric's EFA, which needs a device of AWS. A stand-in with its rules takes its place: what kvferry asks libfabric for, and
 * how it waits, is tested; a device is not. libfabric reads the variable when it is loaded, and each test file has a process
 * of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, test } from 'vitest';
import { describeFabric } from './fabric-contract.js';
import { nativeHarness, whyNot } from './native-harness.js';

const directory = mkdtempSync('/tmp/kvferry-efa-');
afterAll(() => rmSync(directory, { recursive: true }));

const reason = buildStandIn() ?? whyNot('efa');
if (reason === undefined) {
  describeFabric('efa, a stand-in', () => nativeHarness('efa'));
} else {
  describe('fabric: efa, a stand-in', () => test.skipIf(true)(`cannot run here: ${reason}`, () => undefined));
}

/** Why it cannot be built, or undefined. */
function buildStandIn(): string | undefined {
  const source = fileURLToPath(new URL('../native/children/efa-stub.cc', import.meta.url));
  const args = ['-std=c++20', '-shared', '-fPIC', '-o', join(directory, 'libefa-fi.so'), source, '-lfabric'];
  const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
  process.env['FI_PROVIDER_PATH'] = directory;
  return status === 0 ? undefined : stderr;
}
