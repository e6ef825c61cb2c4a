import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChildProcess, ENDED_WELL } from '../../src/processes/child-process.js';
import { poll } from '../../src/processes/within.js';

const WAIT_MS = 20_000;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-child-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A Node process that runs `script`; resolves when it has said `ready`. */
async function start(script: string, channel = false): Promise<ChildProcess> {
  let child: ChildProcess | undefined;
  await new Promise<void>((resolve) => {
    child = new ChildProcess({
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
  return child as ChildProcess;
}

/** A Node process that runs `script` and keeps its output in memory. */
function inMemory(script: string): ChildProcess {
  return new ChildProcess({ name: 'script', command: process.execPath, args: ['-e', script] });
}

describe('a child process', () => {
  test('ends on request, within its limit', async () => {
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
    const child = new ChildProcess({
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

  test('is killed when its parent ends without having stopped it', async () => {
    const module = fileURLToPath(new URL('../../dist/src/processes/child-process.js', import.meta.url));
    const script = `
      import(${JSON.stringify(module)}).then(({ ChildProcess }) => {
        const child = new ChildProcess({ name: 'c', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] });
        console.log('child', child.pid);
        process.exit(0);
      })`;
    const parent = inMemory(script);
    const pid = await parent.printed((line) => /^child (\d+)$/.exec(line)?.[1], 'the process id', WAIT_MS);
    expect(await parent.ended).toBe(ENDED_WELL);
    const isGone = async () => (existsSync(`/proc/${pid}`) ? undefined : true);
    expect(await poll(WAIT_MS, isGone)).toBe(true);
  });

  test('is continued when it is stopped by a signal and told to end', async () => {
    const child = await start("process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)");
    child.signal('SIGSTOP');
    expect(await child.stop()).toBe(ENDED_WELL);
  });

  test('has no failure when it was killed on purpose', async () => {
    const child = await start('setInterval(() => {}, 1000)');
    await child.kill();
    expect(child.isRunning).toBe(false);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await Promise.race([child.failure(), Promise.resolve('none')])).toBe('none');
  });
});

describe('the output of a child process', () => {
  test('without a log file is kept, and found before and after it was printed', async () => {
    const child = inMemory("console.log('one'); setTimeout(() => console.error('two'), 50)");
    const find = (line: string) => /^(one|two)$/.exec(line)?.[1];
    expect(await child.printed(find, 'a number', WAIT_MS)).toBe('one');
    expect(await child.printed((line) => (line === 'two' ? line : undefined), 'two', WAIT_MS)).toBe('two');
    expect(await child.printed(find, 'a number', WAIT_MS)).toBe('one');
    await child.exited;
    expect(child.lines).toEqual(['one', 'two']);
  });

  test('that ends before the line, or takes too long, is shown with the error', async () => {
    const child = inMemory("console.log('almost')");
    await expect(child.printed(() => undefined, 'the end', WAIT_MS)).rejects.toMatchObject({
      code: 'internal',
      message: 'script ended with exit status 0 before it printed the end\nalmost',
    });
    const idle = inMemory('setInterval(() => {}, 1000)');
    await expect(idle.printed(() => undefined, 'anything', 1)).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: 'script did not print anything within 1 ms\n',
    });
    await idle.kill();
  });

  test('goes to each listener with the name of its stream', async () => {
    const heard: string[] = [];
    const args = ['-e', "console.log('out'); console.error('err')"];
    const onLine = (line: string, stream: string) => void heard.push(`${stream} ${line}`);
    const child = new ChildProcess({ name: 'script', command: process.execPath, args, onLine });
    await child.exited;
    expect(heard.toSorted()).toEqual(['stderr err', 'stdout out']);
  });
});
