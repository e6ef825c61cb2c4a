/** The look at a same-host receiver's socket: whatever its path leads to, the sender gets a reason and goes on. */
import type { BigIntStats } from 'node:fs';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ReceiverSockets } from '../../src/native/receiver-sockets.js';

function addressOf(path: string, { dev, ino }: Pick<BigIntStats, 'dev' | 'ino'> = { dev: 1n, ino: 2n }): string {
  return `boot:${dev.toString(16)}:${ino.toString(16)}:${Buffer.from(path).toString('hex')}`;
}

describe('sockets of receivers', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync('/dev/shm/kvferry-test-');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  test('the path leads to the socket of the receiver → it is reached', async () => {
    const path = join(directory, 'socket');
    writeFileSync(path, '');
    const address = addressOf(path, statSync(path, { bigint: true }));
    expect(await new ReceiverSockets().check(address, 1000)).toBe(undefined);
  });

  test.each([
    ['file', { dev: 0n, ino: 1n }],
    ['file system', { dev: 1n, ino: 0n }],
  ])('the path leads to another %s → refused, with the path', async (_, off) => {
    const path = join(directory, 'socket');
    writeFileSync(path, '');
    const { dev, ino } = statSync(path, { bigint: true });
    const address = addressOf(path, { dev: dev + off.dev, ino: ino + off.ino });
    await expect(new ReceiverSockets().check(address, 1000)).rejects.toMatchObject({
      code: 'connection_failed',
      message: `socket ${path}: it is not the socket of the receiver, whose file system this process does not see`,
    });
  });

  test.each([
    ['a NUL', 'a\0b', /null bytes/],
    ['300 characters', 'a'.repeat(300), /ENAMETOOLONG/],
    ['a file as a directory', 'file/socket', /ENOTDIR/],
    ['nothing', 'missing', /ENOENT/],
    ['a link to itself', 'loop', /ELOOP/],
  ])('T26: a path with %s → the reason', async (_, name, message) => {
    writeFileSync(join(directory, 'file'), '');
    symlinkSync('loop', join(directory, 'loop'));
    mkdirSync(join(directory, 'a'));
    const refused = new ReceiverSockets().check(addressOf(`${directory}/${name}`), 1000);
    await expect(refused).rejects.toMatchObject({ code: 'connection_failed', message: expect.stringMatching(message) });
  });

  test('a look fails → the next one in its directory is answered', async () => {
    const looks = new ReceiverSockets();
    await expect(looks.check(addressOf(join(directory, 'missing')), 1000)).rejects.toThrow(/ENOENT/);
    const path = join(directory, 'socket');
    writeFileSync(path, '');
    expect(await looks.check(addressOf(path, statSync(path, { bigint: true })), 1000)).toBe(undefined);
  });

  test.each(['', 'boot', 'boot:1:2:', 'boot:1:2:zz', ':::::', 'boot:1:2:2f:7'])(
    'T27: the malformed address "%s" → connection_failed',
    async (address) => {
      await expect(new ReceiverSockets().check(address, 1000)).rejects.toMatchObject({ code: 'connection_failed' });
    },
  );
});

describe('a file system that hangs', () => {
  const answers: (() => void)[] = [];
  const asked: string[] = [];
  const status = { dev: 1n, ino: 2n };
  const sockets = () =>
    new ReceiverSockets(((path: string) => {
      asked.push(path);
      return new Promise((resolve) => answers.push(() => resolve(status)));
    }) as never);

  beforeEach(() => {
    answers.length = 0;
    asked.length = 0;
  });

  test('T26: no answer in time → refused, and nothing more is asked in its directory', async () => {
    const looks = sockets();
    await expect(looks.check(addressOf('/hung/one'), 5)).rejects.toMatchObject({
      code: 'connection_failed',
      message: 'socket /hung/one: its file system did not answer within 5 ms',
    });
    await expect(looks.check(addressOf('/hung/two'), 60_000)).rejects.toMatchObject({
      code: 'connection_failed',
      message: 'socket /hung/two: its file system does not answer',
    });
    expect(asked).toEqual(['/hung/one']);
  });

  test('T26: two directories do not answer → no third thread of the pool waits', async () => {
    const looks = sockets();
    const late = ['/a/s', '/b/s', '/c/s'].map((path) => looks.check(addressOf(path), 5).catch(({ code }) => code));
    expect(await Promise.all(late)).toEqual(Array(3).fill('connection_failed'));
    expect(asked).toEqual(['/a/s', '/b/s']);
  });

  test('T26: an answer came in time → a later look is not refused when that time is over', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const looks = sockets();
    const first = looks.check(addressOf('/slow/one'), 10);
    answers[0]?.();
    await first;
    const served = ['two', 'three'].map((name) => looks.check(addressOf(`/slow/${name}`), 60_000));
    vi.advanceTimersByTime(20);
    served.push(looks.check(addressOf('/slow/four'), 60_000));
    for (const index of [1, 2, 3]) {
      await vi.waitUntil(() => answers.length > index);
      answers[index]?.();
    }
    expect(await Promise.all(served)).toEqual([undefined, undefined, undefined]);
  });

  test('it answers at last → those who wait are served, one after the other', async () => {
    const looks = sockets();
    const served = ['one', 'two'].map((name) => looks.check(addressOf(`/slow/${name}`), 60_000));
    answers[0]?.();
    await served[0];
    await expect.poll(() => asked).toEqual(['/slow/one', '/slow/two']);
    answers[1]?.();
    await served[1];
  });
});
