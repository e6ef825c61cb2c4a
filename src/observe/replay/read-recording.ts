/** Reads the file of a recording. Ignores an incomplete last line and refuses any other damage. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { KvferryError } from '../../protocol/errors.js';
import { answers, type Call, end, FORMAT_VERSION, header, output, step } from '../recording/record.js';
import type { RecordedStep, Recording } from './recording.js';

const line = z.union([step, output, end]);

/** Rejects `invalid_configuration`: no such file, not a recording, another format version, or damage in a line. */
export async function readRecording(path: string): Promise<Recording> {
  const reader = new Reader(path);
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const text of lines) reader.read(text);
  } catch (cause) {
    if (cause instanceof KvferryError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw refusal(path, code === 'ENOENT' ? 'the file does not exist' : `the file cannot be read (${code})`, cause);
  }
  return reader.recording();
}

type MutableStep = RecordedStep & { readonly outputs: unknown[] };

class Reader {
  readonly #path: string;
  readonly #steps: MutableStep[] = [];
  /** The call of each question, by the name of the question. */
  readonly #calls = new Map<string, Call>();
  #header: Recording['header'] | undefined;
  #end: Recording['end'];
  #number = 0;
  /** A line that is not JSON. It must be the last line. */
  #broken: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  read(text: string): void {
    this.#number += 1;
    if (this.#broken !== undefined) {
      if (this.#header === undefined) throw refusal(this.#path, 'the file is not a recording');
      throw this.#damaged(this.#broken, 'it is not JSON');
    }
    const value = parse(text);
    if (value === undefined) this.#broken = this.#number;
    else if (this.#header === undefined) this.#begin(value);
    else this.#add(value);
  }

  recording(): Recording {
    if (this.#header === undefined) throw refusal(this.#path, 'the file is not a recording');
    return { header: this.#header, steps: this.#steps, end: this.#end };
  }

  #begin(value: unknown): void {
    const { kvferry, format } = Object(value) as { kvferry?: unknown; format?: unknown };
    if (kvferry !== 'recording') throw refusal(this.#path, 'the file is not a recording');
    if (format !== FORMAT_VERSION) {
      throw refusal(
        this.#path,
        `the file has format ${String(format)}; this version of kvferry reads format ${FORMAT_VERSION}`,
      );
    }
    this.#header = this.#checked(header, value);
    this.#steps.push({ step: 0, atMs: this.#header.atMs, input: undefined, outputs: [] });
  }

  #add(value: unknown): void {
    const added = this.#checked(line, value);
    if (this.#end !== undefined) throw this.#damaged(this.#number, 'a line follows the end');
    if ('end' in added) this.#end = added.end;
    else if ('out' in added) {
      this.#steps.at(-1)?.outputs.push(added);
      if (added.out === 'ask') this.#calls.set(added.question, added.call);
    } else {
      if (added.step !== this.#steps.length) throw this.#damaged(this.#number, `step ${this.#steps.length} is missing`);
      if (added.in === 'answer' && added.error === undefined) {
        const call = this.#calls.get(added.question);
        if (call === undefined) throw this.#damaged(this.#number, `question ${added.question} was never asked`);
        this.#checked(answers[call], added.value);
      }
      this.#steps.push({ step: added.step, atMs: added.atMs, input: added, outputs: [] });
    }
  }

  #checked<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw this.#damaged(this.#number, 'the line is not part of the format', result.error);
  }

  #damaged(number: number, why: string, cause?: unknown): KvferryError {
    return refusal(this.#path, `line ${number} is damaged: ${why}`, cause);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(path: string, why: string, cause?: unknown): KvferryError {
  return new KvferryError('invalid_configuration', `recording ${path}: ${why}`, { field: 'file', cause });
}
