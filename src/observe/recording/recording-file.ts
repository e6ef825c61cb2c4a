/**
 * The file of a recording: one JSON object a line, in order of arrival. It does not slow the agent down: lines are buffered
 * for a moment and written on another thread. A killed process loses only the buffered lines. Recording ends, and the agent
 * goes on, when the file reaches its size limit, or when the disk is full or too slow.
 */
import { writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { KvferryError } from '../../protocol/errors.js';
import type { Line, RecordingEnd } from './record.js';

/** Only the user of the agent may read the file. */
const MODE = 0o600;
/** Longest time that a line stays in the buffer. */
const KEEP_MS = 20;
/** Most bytes that wait for the disk. */
const BACKLOG_BYTES_MAX = 32 * 1024 * 1024;
/** Room for the last line, which gives the reason for the end. */
const LAST_LINE_BYTES = 64;

export interface RecordingFileOptions {
  readonly bytesMax: number;
  /** Called once if recording ends before the agent. */
  onEndedEarly(reason: 'size' | 'backlog' | Error): void;
}

export class RecordingFile {
  readonly #file: FileHandle;
  readonly #options: RecordingFileOptions;
  #lines: string[] = [];
  #waitingBytes = 0;
  /** Bytes accepted so far, written or buffered. */
  #bytes = 0;
  /** The write in progress and its place in the file. */
  #underWay = Buffer.alloc(0);
  #position = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isOpen = true;

  /** `file`: empty; the recording owns it from now on. */
  constructor(file: FileHandle, options: RecordingFileOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Rejects `invalid_configuration` when the file exists, since it may record an incident, or cannot be created. */
  static async create(path: string, options: RecordingFileOptions): Promise<RecordingFile> {
    try {
      return new RecordingFile(await open(path, 'wx', MODE), options);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const why = code === 'EEXIST' ? 'it exists already' : String(code);
      throw new KvferryError('invalid_configuration', `cannot create recording ${path}: ${why}`, {
        field: 'record',
        cause,
      });
    }
  }

  write(line: Line): void {
    if (!this.#isOpen) return;
    const text = `${JSON.stringify(line)}\n`;
    const bytes = Buffer.byteLength(text);
    if (this.#bytes + bytes + LAST_LINE_BYTES > this.#options.bytesMax) this.#endEarly('size');
    else if (this.#waitingBytes + bytes > BACKLOG_BYTES_MAX) this.#endEarly('backlog');
    else this.#take(text, bytes);
  }

  /** Call it when the agent has stopped. Resolves when the system has all lines. */
  async end(): Promise<void> {
    this.#last('stopped');
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#flush();
    await this.#file.close();
  }

  /** Writes the buffered lines before it returns, because the process exits. */
  endNow(): void {
    this.#isOpen = false;
    const rest = Buffer.concat([this.#underWay, Buffer.from(this.#lines.join(''))]);
    this.#lines = [];
    for (let at = 0; at < rest.length; ) {
      at += writeSync(this.#file.fd, rest, at, rest.length - at, this.#position + at);
    }
  }

  #take(text: string, bytes: number): void {
    this.#lines.push(text);
    this.#bytes += bytes;
    this.#waitingBytes += bytes;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, KEEP_MS).unref();
  }

  /** Accepts no more lines. */
  #last(end: RecordingEnd): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const text = `${JSON.stringify({ end } satisfies Line)}\n`;
    this.#take(text, Buffer.byteLength(text));
  }

  #endEarly(reason: 'size' | 'backlog'): void {
    this.#last(reason);
    this.#options.onEndedEarly(reason);
  }

  /** One write at a time. Lines that come meanwhile are written after it. */
  #flush(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#lines.length > 0) {
        this.#underWay = Buffer.from(this.#lines.join(''));
        this.#lines = [];
        await this.#writeAt(this.#underWay);
        this.#position += this.#underWay.length;
        this.#waitingBytes -= this.#underWay.length;
        this.#underWay = Buffer.alloc(0);
      }
    } catch (error) {
      this.#isOpen = false;
      this.#lines = [];
      this.#underWay = Buffer.alloc(0);
      this.#options.onEndedEarly(error as NodeJS.ErrnoException);
    }
  }

  async #writeAt(buffer: Buffer): Promise<void> {
    for (let at = 0; at < buffer.length; ) {
      const { bytesWritten } = await this.#file.write(buffer, at, buffer.length - at, this.#position + at);
      at += bytesWritten;
    }
  }
}
