/**
 * The file of a recording: one JSON object a line, appended as they come. Never in the way of the agent: lines are kept
 * for a moment and written on another thread. A process that is killed loses what came in that moment, no more. When
 * the file has become as large as it may, when the disk is full, or too slow, recording ends, and nothing else does.
 */
import { writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { KvferryError } from '../../protocol/errors.js';
import type { Line, RecordingEnd } from './record.js';

/** Only for whom the agent runs as. */
const MODE = 0o600;
/** How long a line is kept at most before it is handed to the system. */
const KEEP_MS = 20;
/** Bytes that may wait for the disk. */
const BACKLOG_BYTES_MAX = 32 * 1024 * 1024;
/** Room for the last line, which says why it is the last. */
const LAST_LINE_BYTES = 64;

export interface RecordingFileOptions {
  readonly bytesMax: number;
  /** Recording has ended before the agent: hears of it once. */
  onEndedEarly(reason: 'size' | 'backlog' | Error): void;
}

export class RecordingFile {
  readonly #file: FileHandle;
  readonly #options: RecordingFileOptions;
  #lines: string[] = [];
  #waitingBytes = 0;
  /** Bytes taken on, written or not. */
  #bytes = 0;
  /** What is being written now, and where in the file it begins. */
  #underWay = Buffer.alloc(0);
  #position = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isOpen = true;

  /** `file`: empty, and its own from now on. */
  constructor(file: FileHandle, options: RecordingFileOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Rejects `invalid_configuration` when the file exists (it may be of an incident) or cannot be made. */
  static async create(path: string, options: RecordingFileOptions): Promise<RecordingFile> {
    try {
      return new RecordingFile(await open(path, 'wx', MODE), options);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const why = code === 'EEXIST' ? 'it exists already' : String(code);
      throw new KvferryError('invalid_configuration', `recording ${path} cannot be made: ${why}`, {
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

  /** The agent has stopped. Resolves when everything is with the system. */
  async end(): Promise<void> {
    this.#last('stopped');
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#flush();
    await this.#file.close();
  }

  /** Writes what is left before it returns: the process ends now. */
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

  /** Takes no more lines. */
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

  /** One at a time; what comes meanwhile is written after it. */
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
