/**
 * The addon takes what it declares, and refuses everything else with an error. Nothing that JavaScript passes ends the process:
 * the calls are made in a child, so that an abort is seen.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nativeStatus } from '../../src/native/native-status.js';
import { patient } from '../../src/processes/patience.js';

const ADDON = fileURLToPath(new URL('../../build/Release/kvferry_native.node', import.meta.url));

describe.skipIf(!nativeStatus().addon)('arguments of the addon', () => {
  test('T27: arguments of other kinds → errors with a code; the engine goes on', () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const { stdout, stderr, signal } = runChild('wrong-arguments.mjs', [directory]);
    expect({ stderr, signal }).toEqual({ stderr: '', signal: null });
    const [report, after] = linesOf(stdout);
    expect(report).toEqual({ moreThanThousandRefused: true, accepted: [], withoutCode: [] });
    expect(after).toEqual([
      ...['ok', 'ok'],
      ...['ok', 'internal', 'internal', 'internal'],
      ...['taken', 'taken', 'taken'],
    ]);
  });
});

/** A relative path among the arguments leads into /dev/shm, not into the checkout. */
function runChild(program: string, args: readonly string[]) {
  const path = fileURLToPath(new URL(`children/${program}`, import.meta.url));
  const timeout = patient(20_000);
  return spawnSync(process.execPath, [path, ADDON, ...args], { encoding: 'utf8', cwd: '/dev/shm', timeout });
}

function linesOf(text: string): unknown[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
