import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SupervisedChild } from '../../../src/cli/demo/supervised-child.js';
import { ChildProcess } from '../../../src/processes/child-process.js';

const LIVES = "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)";

/** A supervised Node process that runs `script`, and is started again at once. */
function supervised(script: string, awayMs = 0) {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-supervised-'));
  let kills = 0;
  const starts: (() => void)[] = [];
  let ready = 0;
  const child = new SupervisedChild({
    start: (life) =>
      new ChildProcess({
        name: 'script',
        command: process.execPath,
        args: ['-e', `${script}; console.log('ready', process.pid)`],
        logPath: join(directory, `log-${life}`),
        onLine: (line) => {
          if (!line.startsWith('ready ')) return;
          pids.push(Number(line.slice('ready '.length)));
          ready += 1;
          for (const wake of starts.splice(0)) wake();
        },
      }),
    onKilled: () => {
      kills += 1;
      for (const wake of starts.splice(0)) wake();
    },
    awayMs,
  });
  const pids: number[] = [];
  onTestFinished(async () => {
    await child.abandon();
    rmSync(directory, { recursive: true });
  });
  const change = () => new Promise<void>((resolve) => starts.push(resolve));
  const started = async (lives: number) => {
    while (ready < lives) await change();
    return pids.at(-1) as number;
  };
  const killed = async () => {
    while (kills === 0) await change();
  };
  return { child, kills: () => kills, started, killed };
}

test('starts another process when one was killed, under the same name', async () => {
  const { child, kills, started } = supervised(LIVES);
  const first = await started(1);
  process.kill(first, 'SIGKILL');
  expect(await started(2)).not.toBe(first);
  expect([child.name, kills()]).toEqual(['script', 1]);
  expect(await child.stop()).toBe('ended with exit status 0');
});

test('an order to stop while no child runs → starts none', async () => {
  const { child, kills, started, killed } = supervised(LIVES, 60_000);
  process.kill(await started(1), 'SIGKILL');
  await killed();
  expect(await child.stop()).toBe('ended with SIGKILL');
  expect(kills()).toBe(1);
});

test('fails when the process ends by itself', async () => {
  const { child, kills } = supervised('process.exitCode = 3');
  await expect(child.failure()).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining('script ended with exit status 3'),
  });
  expect(kills()).toBe(0);
});
