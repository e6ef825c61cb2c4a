/**
 * Gives everything that comes to an agent a turn of its own, and writes it down together with what the agent does in
 * it.
 *
 * A turn is a macrotask: all that follows from an input, promises included, has happened before the next one is
 * delivered. So the order in the file is the order of effects. The agent's clock stands still during a turn; nothing of
 * an agent runs between turns.
 */
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Call, Input, Line, Output, PortError } from './record.js';
import type { Redaction } from './redaction.js';

/** Times are recorded to the microsecond; the rest is noise that makes files longer. */
const PARTS_PER_MS = 1000;

export interface RecorderOptions {
  readonly clock: ClockPort;
  /** Runs something in a macrotask of its own, in the order of the calls. */
  nextTurn(run: () => void): void;
  write(line: Line): void;
  readonly redaction: Redaction;
}

export class Recorder {
  readonly redaction: Redaction;
  readonly #options: RecorderOptions;
  #step = 0;
  #named = 0;
  #nowMs: number;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.redaction = options.redaction;
    this.#nowMs = inMicroseconds(options.clock.now());
  }

  /** When the turn began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Number of the turn. */
  get step(): number {
    return this.#step;
  }

  /**
   * Something has come: `deliver` runs in a turn of its own, unless nobody wants it any more by then. What waits for
   * its turn is no more than what came in one turn of the event loop.
   */
  arrive(input: Input, deliver: () => void, isWanted: () => boolean = () => true): void {
    this.#options.nextTurn(() => {
      if (!isWanted()) return;
      this.#step += 1;
      this.#named = 0;
      this.#nowMs = Math.max(this.#nowMs, inMicroseconds(this.#options.clock.now()));
      this.#options.write({ step: this.#step, atMs: this.#nowMs, ...input });
      deliver();
    });
  }

  /** The agent has done something. */
  note(output: Output): void {
    this.#options.write(output);
  }

  /** For a question or a timer. */
  nextName(): string {
    const name = `${this.#step}.${this.#named}`;
    this.#named += 1;
    return name;
  }

  /** The agent asks for something: `work` is begun now, its result comes in a turn of its own. */
  async ask<T>(call: Call, args: Record<string, unknown>, work: Work<T>): Promise<T> {
    const question = this.nextName();
    this.note({ out: 'ask', question, call, with: args });
    return this.answerTo(question, work);
  }

  /** The result of `work` comes as the answer to `question`. `record` says what of it is written down. */
  answerTo<T>(question: string, { begin, record }: Work<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      begin().then(
        (result) => this.arrive({ in: 'answer', question, value: record?.(result) }, () => resolve(result)),
        (error: unknown) =>
          this.arrive({ in: 'answer', question, value: undefined, error: toPortError(error) }, () => reject(error)),
      );
    });
  }

  /** Runs a call that returns at once, and writes down what it was, and what it threw. */
  now(output: Output, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.note({ ...output, error: toPortError(error) } as Output);
      throw error;
    }
    this.note(output);
  }
}

export interface Work<T> {
  begin(): Promise<T>;
  /** Default: nothing. */
  record?(result: T): unknown;
}

export function toPortError(error: unknown): PortError {
  if (!(error instanceof KvferryError)) return { message: String(error) };
  const { code, message, field } = error;
  return field === undefined ? { code, message } : { code, message, field };
}

function inMicroseconds(ms: number): number {
  return Math.round(ms * PARTS_PER_MS) / PARTS_PER_MS;
}
