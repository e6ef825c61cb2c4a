/** Random calls of the addon, in a child, so that an abort is seen. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nativeStatus } from '../../../src/native/native-status.js';
import { PATIENCE_MS, seeds } from './chance.js';

const PROGRAM = fileURLToPath(new URL('../children/random-calls.mjs', import.meta.url));
const ADDON = fileURLToPath(new URL('../../../build/Release/kvferry_native.node', import.meta.url));
const CALLS = '3000';

describe.skipIf(!nativeStatus().addon)('random calls of the addon', () => {
  test('T27: random calls and arguments → the process lives, a new engine works', {
    timeout: PATIENCE_MS,
  }, async () => {
    for (const seed of seeds()) {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      // A relative path among the arguments leads into the directory, not into the checkout.
      const child = spawn(process.execPath, [PROGRAM, ADDON, directory, `${seed}`, CALLS], { cwd: directory });
      onTestFinished(() => void child.kill('SIGKILL'));
      const [stdout, stderr, exit] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
      rmSync(directory, { recursive: true, force: true });
      expect({ stdout, stderr, exit }, `seed ${seed}`).toEqual({ stdout: '"alive"\n', stderr: '', exit: [0, null] });
    }
  });
});
