/**
 * A source file whose file system is full. The copy on one host maps the file: what has no memory fails with that reason, and
 * nothing else fails. Others read the file, and read zeros there, as engines do.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { whyNot } from '../contract/native-harness.js';
import { CompiledFacade } from './children.js';

const UNSHARE = ['--map-root-user', '--mount', '--user'];
const PROGRAM = fileURLToPath(new URL('children/full-file-system.mjs', import.meta.url));
const tested: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp'];

function whyNoMount(): string | undefined {
  const { status, stderr, error } = spawnSync('unshare', [...UNSHARE, 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : `no mount namespace: ${error?.message ?? stderr}`;
}

describe.each(tested)('a full file system, %s', (provider) => {
  let facade: CompiledFacade;
  beforeAll(() => {
    facade = new CompiledFacade();
  });
  afterAll(() => facade[Symbol.dispose]());

  test('a hole without memory → its write says so or sends zeros, others succeed', ({ skip }) => {
    const reason = whyNot(provider) ?? whyNoMount();
    if (reason !== undefined) skip(reason);
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const args = [...UNSHARE, process.execPath, PROGRAM, facade.path, provider, directory];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    const outcomes: unknown[] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const message = 'segment s: no memory behind bytes 4194304 to 4259839 of the file: is its file system full?';
    const delivered = (byte: number) => ({ status: 'delivered', bytes: 65_536, byte });
    const refused = { status: 'failed', code: 'segment_invalid', bytes: 0, drained: true, message };
    expect(outcomes).toEqual([
      delivered(7),
      provider === 'same-host' ? { ...refused, byte: expect.any(Number) } : delivered(0),
      delivered(7),
      delivered(9),
    ]);
  });
});
