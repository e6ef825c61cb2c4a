/**
 * A stand-in for libfabric's EFA provider, which needs a device of AWS. libfabric reads the variable when it is loaded, and each
 * test file has a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { whyNot } from '../contract/native-harness.js';

/** Builds the stand-in for this file. Returns why it cannot be used, or undefined. */
export function useEfaStandIn(): string | undefined {
  const directory = mkdtempSync('/tmp/kvferry-efa-');
  afterAll(() => rmSync(directory, { recursive: true }));
  const source = fileURLToPath(new URL('children/efa-stub.cc', import.meta.url));
  const args = ['-std=c++20', '-shared', '-fPIC', '-o', join(directory, 'libefa-fi.so'), source, '-lfabric'];
  const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
  process.env['FI_PROVIDER_PATH'] = directory;
  return status === 0 ? whyNot('efa') : stderr;
}
