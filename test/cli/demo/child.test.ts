import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Child, ENDED_WELL } from '../../../src/cli/demo/child.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-child-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A Node process that runs `script`; resolves when it has said `ready`. */
async function start(script: string, channel = false): Promise<Child> {
  let child: Child | undefined;
  await new Promise<void>((resolve) => {
    child = new Child({
      name: 'script',
      command: process.execPath,
      args: ['-e', `${script}; console.log('ready')`],
      logPath: join(directory, 'log'),
      channel,
      onLine: (line) => {
        if (line === 'ready') resolve();
      },
    });
  });
  return child as Child;
}

describe('a child process', () => {
  test('ends when it is told to', async () => {
    const child = await start("process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)");
    expect(await child.stop()).toBe(ENDED_WELL);
    expect(await child.stop()).toBe(ENDED_WELL);
  });

  test('is killed when it does not listen', async () => {
    const child = await start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)");
    await child.abandon();
    expect(await child.stop()).toBe('ended with SIGKILL');
  });

  test('fails with the end of its log when it ends by itself', async () => {
    const child = await start("console.error('out of luck'); process.exitCode = 3");
    await expect(child.failure()).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/^script ended with exit status 3\n(.|\n)*out of luck/),
    });
    expect(readFileSync(join(directory, 'log'), 'utf8')).toContain('ready');
  });

  test('fails when there is no such program', async () => {
    const child = new Child({
      name: 'nothing',
      command: join(directory, 'none'),
      args: [],
      logPath: join(directory, 'l'),
    });
    await expect(child.failure()).rejects.toMatchObject({
      message: expect.stringContaining('nothing could not be started: '),
    });
  });

  test('sees through its channel that its parent is gone', async () => {
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', "process.channel.unref(); setInterval(() => {}, 1000);" +
        "process.once('disconnect', () => { console.log('orphaned'); process.exit(0); })"],
        { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
      process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`;
    const child = await start(script);
    await child.abandon();
    expect(readFileSync(join(directory, 'log'), 'utf8')).toContain('orphaned');
  });
});
