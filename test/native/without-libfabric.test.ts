/** A host without libfabric: TCP works, and what needs the library is unavailable with the reason. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { nativeStatus } from '../../src/native/native-status.js';
import { CompiledFacade } from './children.js';

const UNSHARE = ['--map-root-user', '--mount', '--user'];
const PROGRAM = fileURLToPath(new URL('children/without-libfabric.mjs', import.meta.url));

/** The file of the installed library; undefined when there is none. */
function libraryPath(): string | undefined {
  const { stdout } = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const path = /libfabric\.so\.1 .* => (\S+)/.exec(stdout)?.[1];
  return path === undefined ? undefined : realpathSync(path);
}

test('libfabric cannot be loaded → tcp moves bytes, libfabric-tcp is unavailable', ({ skip }) => {
  const library = libraryPath();
  const isInstalled = nativeStatus().libfabric !== null;
  if (isInstalled && library === undefined) skip('libfabric is installed at an unknown path');
  if (isInstalled && spawnSync('unshare', [...UNSHARE, 'true']).status !== 0) skip('no mount namespace');
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const facade = new CompiledFacade();
  onTestFinished(() => {
    facade[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  const command = isInstalled ? ['unshare', ...UNSHARE] : [];
  const args = [process.execPath, PROGRAM, facade.path, directory, ...(isInstalled ? [library ?? ''] : [])];
  const [program = '', ...rest] = [...command, ...args];
  const { stdout, stderr } = spawnSync(program, rest, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({
    offered: 'tcp',
    missing: { provider: 'libfabric-tcp', reason: expect.stringContaining('libfabric') },
    outcome: { status: 'delivered', bytes: 5 },
  });
});
