/** The log of an agent: it waits for a disk that is full, it is bounded, and it never ends the agent. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type LogFile, LogOutput } from '../../src/cli/log-output.js';

const RETRY_MS = 1000;
const LINES = 3000;
const LONG_LINE = `${'x'.repeat(1023)}\n`;
const FITTING_LINES = 1024;

/** A file whose disk may be full. `room`: bytes that it still takes. */
class Disk implements LogFile {
  content = '';
  room = Number.POSITIVE_INFINITY;
  code = 'ENOSPC';
  readonly #late: (() => void)[] = [];

  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    this.#late.push(() => {
      try {
        done(null, this.writeSync(bytes));
      } catch (error) {
        done(error as NodeJS.ErrnoException, 0);
      }
    });
  }

  writeSync(bytes: Buffer): number {
    const written = Math.min(this.room, bytes.length);
    if (written === 0) throw Object.assign(new Error('no room'), { code: this.code });
    this.room -= written;
    this.content += bytes.subarray(0, written).toString();
    return written;
  }

  /** Ends the writes that were begun, and those that follow from them. */
  settle(): void {
    for (let next = this.#late.shift(); next !== undefined; next = this.#late.shift()) next();
  }
}

let disk: Disk;
let lost: number[];
let output: LogOutput;

beforeEach(() => {
  vi.useFakeTimers();
  disk = new Disk();
  lost = [];
  output = new LogOutput(disk, (lines) => {
    lost.push(lines);
    output.write(`lost ${lines}\n`);
  });
});
afterEach(() => {
  vi.useRealTimers();
});

test('the disk is full for a while → its lines follow, whole and in order', () => {
  output.write('first\n');
  disk.settle();
  disk.room = 3;
  output.write('second\n');
  output.write('third\n');
  disk.settle();
  expect(disk.content).toBe('first\nsec');
  output.write('fourth\n');
  disk.settle();
  disk.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(RETRY_MS);
  disk.settle();
  expect({ content: disk.content, lost }).toEqual({ content: 'first\nsecond\nthird\nfourth\n', lost: [] });
});

test('the disk stays full → a bounded number of lines waits, the rest is counted', () => {
  disk.room = 0;
  for (let count = 0; count < LINES; count += 1) output.write(LONG_LINE);
  disk.settle();
  disk.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(RETRY_MS);
  disk.settle();
  const missing = LINES - FITTING_LINES;
  expect(disk.content).toBe(`${LONG_LINE.repeat(FITTING_LINES)}lost ${missing}\n`);
  expect(lost).toEqual([missing]);
});

test('the reader of the log is gone → nothing waits, and nothing is tried again', () => {
  disk.room = 0;
  disk.code = 'EPIPE';
  output.write('unread\n');
  disk.settle();
  disk.room = Number.POSITIVE_INFINITY;
  output.write('unread too\n');
  vi.advanceTimersByTime(RETRY_MS);
  disk.settle();
  output.endNow();
  expect(disk.content).toBe('');
});

test('the process ends with lines that wait → they are written before it ends', () => {
  disk.room = 0;
  output.write('one\n');
  disk.settle();
  output.write('two\n');
  disk.room = Number.POSITIVE_INFINITY;
  output.endNow();
  expect(disk.content).toBe('one\ntwo\n');
});

test('the process ends while a line is being written → that line is there once', () => {
  output.write('one\n');
  output.write('two\n');
  output.endNow();
  expect(disk.content).toBe('two\n');
  disk.settle();
  expect(disk.content).toBe('two\none\n');
});

test('the process ends while the disk is full → the log gives up', () => {
  disk.room = 0;
  output.write('one\n');
  disk.settle();
  output.endNow();
  expect(disk.content).toBe('');
});
