import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { ReadStream } from 'node:tty';
import { describe, expect, test } from 'vitest';
import { type Keys, keysOf } from '../../src/cli/keyboard.js';
import { runProgram } from '../../src/cli/program.js';
import { replayCommand } from '../../src/cli/replay.js';
import { recordingFile } from '../observe/replay/support.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

const recordings = join(import.meta.dirname, '../observe/replay/recordings');
const decode = join(recordings, 'writer-killed.decode-0.jsonl');
const prefill = join(recordings, 'writer-killed.prefill-1.jsonl');

async function run(...args: string[]) {
  const terminal = new RecordedTerminal();
  await runProgram(['replay', ...args], terminal);
  const { exitCode, stdout, stderr } = terminal;
  return { exitCode, stdout, stderr: stderr.join('\n') };
}

/** The lines of `--list` that are about steps. */
const isStep = (line: string) => /^ +\d+ +\d+\.\d{3} {2}/.test(line);
/** Every step of `prefill`. */
const steps = (await run(prefill, '--list')).stdout.filter(isStep);
const last = steps.length - 1;

/** A recording in which the agent announced something else. */
function diverging(): string {
  const text = readFileSync(decode, 'utf8');
  return recordingFile(text.replace('\\"end\\":\\"ready\\",\\"sender\\"', '\\"end\\":\\"ready\\",\\"from\\"'));
}

describe('kvferry replay', () => {
  test('says what it has replayed and what it found', async () => {
    expect(await run(decode)).toEqual({
      exitCode: 0,
      stdout: [
        'agent decode-0 (decode), epoch 0000000000000001, recorded 2026-01-01T00:00:00.000Z by kvferry simulated',
        expect.stringMatching(/^steps: \d+ in \d+(\.\d+)? s; end: cut off/),
        'requests sent: none has ended; received: 1 ready, 1 failed',
        'divergences: 0',
        'skipped inputs: 0; timers that the recording lacks: 0',
        'violations: 0',
      ],
      stderr: '',
    });
  });

  test('--json: the same as one object on the last line', async () => {
    const { exitCode, stdout, stderr } = await run(decode, '--json');
    expect({ exitCode, lines: stdout.length }).toEqual({ exitCode: 0, lines: 1 });
    expect(stderr).toContain('divergences: 0');
    expect(JSON.parse(stdout[0] ?? '')).toEqual({
      agent: 'decode-0',
      role: 'decode',
      epoch: '0000000000000001',
      version: 'simulated',
      recordedAt: '2026-01-01T00:00:00.000Z',
      steps: expect.any(Number),
      seconds: expect.any(Number),
      end: 'cut off',
      requests: { sent: {}, received: { ready: 1, failed: 1 } },
      divergences: 0,
      skippedInputs: 0,
      ownTimers: 0,
      violations: 0,
      broken: [],
    });
  });

  test('shows the first divergence in full, and fails for it with --strict only', async () => {
    const path = diverging();
    const { exitCode, stdout } = await run(path);
    expect(exitCode).toBe(0);
    const first = stdout.indexOf('the first:');
    expect(stdout.slice(first - 1, first + 4)).toEqual([
      'divergences: 1',
      'the first:',
      expect.stringMatching(/^ {2}step \d+: different$/),
      expect.stringMatching(/^ {4}recorded: publish kvferry\.v2\.event\.decode-0\.default\.ready .*"from":"prefill-1"/),
      expect.stringMatching(
        /^ {4}replayed: publish kvferry\.v2\.event\.decode-0\.default\.ready .*"sender":"prefill-1"/,
      ),
    ]);
    expect((await run(path, '--strict')).exitCode).toBe(1);
    expect((await run(decode, '--strict')).exitCode).toBe(0);
  });

  test('--list: a line for every step; what differs is marked', async () => {
    const { stdout } = await run(diverging(), '--list');
    const steps = stdout.filter(isStep);
    expect(steps.map((line) => Number(line.slice(0, 7)))).toEqual(steps.map((_, index) => index));
    expect(steps[0]).toMatch(/^ {6}0 {8}0\.000 {2}start {2}→ ask$/);
    expect(steps.filter((line) => line.endsWith(' !'))).toHaveLength(1);
  });

  test('--request: only the steps that name it', async () => {
    const { stdout } = await run(prefill, '--request', 'b');
    const steps = stdout.filter(isStep);
    expect(steps.length).toBeGreaterThan(5);
    expect(steps.some((line) => line.includes('message handover'))).toBe(true);
    expect(steps.some((line) => line.includes('heartbeat'))).toBe(false);
    const none = await run(prefill, '--request', 'request-that-is-not-there');
    expect(none.stdout.filter((line) => /^ +\d+ /.test(line))).toEqual([]);
  });

  test('--at: the input, what followed, and every machine', async () => {
    const { exitCode, stdout } = await run(prefill, '--at', '11');
    expect(exitCode).toBe(0);
    expect(stdout.slice(0, 2)).toEqual([
      `step 11 of ${last}, 0.000 ms after the start`,
      expect.stringMatching(/^ {2}answer to 10\.\d connect: {"provider":"memory","detail":"in memory"}$/),
    ]);
    for (const line of ['effects:', 'log:', 'changed:', 'machines:']) expect(stdout).toContain(line);
    expect(stdout).toContain(
      '  receiver decode-0/0000000000000001: connecting and alive → connected and alive, memory',
    );
    expect(stdout).toContain('  request 0000000000000003/b (sender): running.open, 1 batches, 3 chunks');
    const json = JSON.parse((await run(decode, '--at', '9', '--json')).stdout[0] ?? '');
    expect(json).toMatchObject({
      recorded: { step: 9 },
      divergences: [],
      machines: { 'agent decode-0': 'running' },
      status: { agent: 'decode-0', state: 'running' },
      store: { store: { pages: expect.any(Array) } },
    });
  });

  test.each([
    [['nowhere.jsonl'], 'kvferry: recording nowhere.jsonl: the file does not exist [invalid_configuration]'],
    [['package.json'], 'kvferry: recording package.json: the file is not a recording [invalid_configuration]'],
    [[prefill, '--at', '99'], `kvferry: there is no step 99; the last step is ${last} [invalid_configuration]`],
    [[prefill, '--at', 'x'], "'x' is invalid"],
    [[prefill, '--at', '1', '--list'], "error: only one of '--at', '--step' and '--list' or '--request'"],
    [[prefill, '--step'], 'kvferry: --step needs a terminal; use --list or --at without one [invalid_configuration]'],
    [[], "error: missing required argument 'file'"],
  ])('%j is called wrongly', async (args, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: [] });
    expect(stderr).toContain(message);
  });
});

describe('kvferry replay --step', () => {
  async function press(...keys: string[]): Promise<string[]> {
    const terminal = new RecordedTerminal();
    async function* pressed(): Keys {
      yield* keys;
    }
    await replayCommand(terminal, pressed).parseAsync([prefill, '--step'], { from: 'user' });
    // The number of each step that was shown, and what was said otherwise.
    return terminal.stdout.flatMap((line) => {
      const shown = /^step (\d+) of /.exec(line)?.[1];
      if (shown !== undefined) return [shown];
      return /^(this is|no later|n or|"\S+" is not a step)/.test(line) ? [line] : [];
    });
  }

  const help = 'n or → next, p or ← back, g N go to step N, / text search, m machines, q quit';

  test('goes forwards and backwards, with letters and arrows, and says where it ends', async () => {
    expect(await press('n', 'right', 'right', 'p', 'left', 'left', 'left', 'n', 'q', 'n')).toEqual([
      ...[help, '0', '1', '2', '3', '2', '1', '0', 'this is the start', '1'],
    ]);
    expect(await press('g', ...`${last}`, 'return', 'n', 'm')).toEqual([
      ...[help, '0', `${last}`, 'this is the last step', `${last}`],
    ]);
  });

  test('goes to a step, and to the next that has a text', async () => {
    const at = await press('g', '1', '9', 'backspace', '2', 'return', '/', ...'handover', 'return', 'g', 'escape', 'p');
    const handover = steps.findIndex((line, step) => step > 12 && line.includes('handover'));
    expect(at).toEqual([help, '0', '12', `${handover}`, `${handover - 1}`]);
    expect(await press('g', ...`${last + 1}`, 'return', 'g', 'x', 'return', '/', ...'gnat', 'return', 'x')).toEqual([
      ...[
        help,
        '0',
        `"${last + 1}" is not a step number`,
        '"x" is not a step number',
        'no later step contains "gnat"',
        help,
      ],
    ]);
  });

  test('shows what changed', async () => {
    const terminal = new RecordedTerminal();
    async function* pressed(): Keys {
      yield* ['g', '1', '0', 'return', 'n'];
    }
    await replayCommand(terminal, pressed).parseAsync([prefill, '--step'], { from: 'user' });
    expect(terminal.stdout.join('\n')).toContain(
      'changed:\n  receiver decode-0/0000000000000001: connecting and alive → connected and alive, memory',
    );
  });

  test('reads keys from a terminal until Ctrl-C, and leaves it as it was', async () => {
    const raw: boolean[] = [];
    const stdin = Object.assign(new PassThrough(), { setRawMode: (isRaw: boolean) => raw.push(isRaw) });
    const keys = keysOf(stdin as unknown as ReadStream);
    stdin.write('n\x1b[C\x1b[Dg1\r/a b\x7f\x03');
    const read: string[] = [];
    for await (const key of keys) read.push(key);
    expect(read).toEqual(['n', 'right', 'left', 'g', '1', 'return', '/', 'a', ' ', 'b', 'backspace']);
    expect(raw).toEqual([true, false]);
    expect(stdin.isPaused()).toBe(true);
  });
});
