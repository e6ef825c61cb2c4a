/** A process that has no file descriptor left: the reason is named, and what follows works when there is one again. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { whyNot } from '../contract/native-harness.js';
import { CompiledFacade } from './children.js';

const programOf = (name: string) => fileURLToPath(new URL(`children/${name}`, import.meta.url));
const reason = whyNot('same-host');

describe.skipIf(reason !== undefined)(`few descriptors ${reason ?? ''}`, () => {
  test('no file descriptor is left → the write says so, and a later one succeeds', () => {
    const [refused, failed, delivered] = runWithFew('few-descriptors.mjs');
    expect(refused).toEqual({ code: 'segment_invalid', message: expect.stringContaining('Too many open files') });
    expect(failed).toEqual({
      ...{ status: 'failed', bytes: 0, drained: true, code: 'fabric_error' },
      message:
        'segment s0: the receiver has no file descriptor left for the source file: raise its limit of open files',
    });
    expect(delivered).toEqual({ status: 'delivered', bytes: 5 });
  });

  test('T27: no descriptor is left for a fabric → an error; later one opens', () => {
    const [refused, opened] = runWithFew('many-fabrics.mjs');
    expect(refused).toEqual({
      code: 'fabric_error',
      message: expect.stringMatching(/^opening the fabric: .*: Too many open files$/),
    });
    expect(opened).toEqual({ opened: true });
  });
});

/** What the program prints, in a process that may have 250 descriptors: Node opens many modules at once. */
function runWithFew(program: string): unknown[] {
  const facade = new CompiledFacade();
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  onTestFinished(() => {
    facade[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  const args = [programOf(program), facade.path, directory];
  const script = 'ulimit -n 250 && exec "$0" "$@"';
  const { stdout, stderr, signal } = spawnSync('sh', ['-c', script, process.execPath, ...args], { encoding: 'utf8' });
  expect({ stderr, signal }).toEqual({ stderr: '', signal: null });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
