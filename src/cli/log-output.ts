/**
 * Writes the log of an agent to a file descriptor, on another thread. The agent goes on when the disk is full, or when the reader of
 * the log stands still. Lines then wait, up to a limit. Those above it are lost, and the log says how many. When the process ends,
 * the lines that wait are written, unless that fails. pino's own destination waits for room then, without a limit.
 */
import { write, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

/** Most bytes that wait. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** Pause after a write that failed. */
const RETRY_MS = 1000;
/** Of a pipe that is full for a moment. */
const RETRY_FULL_PIPE_MS = 20;
/** Attempts at such a pipe when the process ends. */
const LAST_ATTEMPTS = 50;

/** As in `node:fs`. */
export interface LogFile {
  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void;
  writeSync(bytes: Buffer): number;
}

export class LogOutput {
  readonly #file: LogFile;
  readonly #lost: (lines: number) => void;
  #lines: string[] = [];
  /** What is being written, or was when a write failed. */
  #underWay: Buffer = Buffer.alloc(0);
  #waitingBytes = 0;
  #lostLines = 0;
  #isWriting = false;
  #retry: NodeJS.Timeout | undefined;
  #hasReader = true;

  /** `lost` is called when the log goes on, with the number of lines that it does not have. */
  constructor(file: LogFile, lost: (lines: number) => void) {
    this.#file = file;
    this.#lost = lost;
  }

  write(line: string): void {
    if (!this.#hasReader) return;
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#lostLines += 1;
      return;
    }
    this.#lines.push(line);
    this.#waitingBytes += bytes;
    this.#go();
  }

  /** The process ends. Writes what waits before it returns, unless that fails. */
  endNow(): void {
    // A thread may be writing the bytes under way.
    const rest = Buffer.concat([this.#isWriting ? Buffer.alloc(0) : this.#underWay, Buffer.from(this.#lines.join(''))]);
    this.#hasReader = false;
    this.#lines = [];
    for (let at = 0, left = LAST_ATTEMPTS; at < rest.length && left > 0; ) {
      try {
        at += this.#file.writeSync(rest.subarray(at));
      } catch (error) {
        if (!isFullPipe(error)) return;
        left -= 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_FULL_PIPE_MS);
      }
    }
  }

  #go(): void {
    if (this.#isWriting || this.#retry !== undefined) return;
    if (this.#underWay.length === 0) {
      this.#underWay = Buffer.from(this.#lines.join(''));
      this.#lines = [];
    }
    if (this.#underWay.length === 0) return;
    this.#isWriting = true;
    this.#file.write(this.#underWay, (error, written) => {
      this.#isWriting = false;
      if (error === null) this.#wrote(written);
      else this.#failed(error);
    });
  }

  #wrote(bytes: number): void {
    this.#underWay = this.#underWay.subarray(bytes);
    this.#waitingBytes -= bytes;
    if (this.#waitingBytes === 0 && this.#lostLines > 0) {
      const lines = this.#lostLines;
      this.#lostLines = 0;
      this.#lost(lines);
    }
    this.#go();
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EPIPE') {
      this.#hasReader = false;
      this.#lines = [];
      this.#underWay = Buffer.alloc(0);
      return;
    }
    const again = () => {
      this.#retry = undefined;
      this.#go();
    };
    this.#retry = setTimeout(again, isFullPipe(error) ? RETRY_FULL_PIPE_MS : RETRY_MS).unref();
  }
}

/** The logger of an agent, on its standard output. */
export function openLog(level: string, fd: number): Logger {
  const file: LogFile = {
    write: (bytes, done) => write(fd, bytes, done),
    writeSync: (bytes) => writeSync(fd, bytes),
  };
  const output = new LogOutput(file, (lines) => {
    logger.warn({ lines }, 'lines of the log are lost: the output did not take them');
  });
  const logger = pino({ level, base: { pid: process.pid } }, output);
  process.on('exit', () => output.endNow());
  return logger;
}

function isFullPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}
