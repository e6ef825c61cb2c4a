/** What the thread of a transport throws ends that transport, not the process: a program in C++ makes it throw. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { patient } from '../../src/processes/patience.js';

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const sources = pathOf('../../src/native/cc');
const needed = ['core/transport.cc', 'core/poller.cc', 'core/failure.cc', 'core/signals.cc'];
/** The compiler takes seconds, and a minute on a loaded machine. */
const COMPILE_MS = patient(180_000);
const hasCompiler = spawnSync('g++', ['--version']).status === 0;

describe.skipIf(!hasCompiler)(`a transport that fails ${hasCompiler ? '' : 'no g++'}`, () => {
  test('T27: its thread throws → fabric_error from then on; the process lives', { timeout: COMPILE_MS }, () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const program = join(directory, 'failing-transport');
    const inputs = [pathOf('driver/failing-transport.cc'), ...needed.map((name) => join(sources, name))];
    const args = ['-std=c++20', `-I${pathOf('driver/stub')}`, `-I${sources}`, '-o', program, ...inputs, '-pthread'];
    const compiled = spawnSync('g++', args, { encoding: 'utf8' });
    expect(compiled.stderr).toBe('');
    const { stdout, stderr, signal } = spawnSync(program, { encoding: 'utf8' });
    expect({ stderr, signal }).toEqual({ stderr: '', signal: null });
    const reason = 'the thread of this provider has failed: epoll_ctl: No space left on device';
    expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      'open: ok',
      'listen: fabric_error std::bad_alloc',
      'grant: ok',
      'connect: closed',
      `grant again: fabric_error ${reason}`,
      'revoke: ok',
      `failure: ${reason}`,
      'after the end: closed the fabric is closed',
      '',
    ]);
  });
});
