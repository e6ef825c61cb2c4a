/**
 * Gives each input of an agent its own turn, and records the input together with the outputs of that turn.
 *
 * A turn is a macrotask. Everything that follows from an input, including promises, happens before the next input is
 * delivered. So the order in the file is the order of effects. The agent's clock stands still during a turn, and no code
 * of the agent runs between turns.
 */
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Call, Input, Line, Output, PortError } from './record.js';

/** Times are recorded to the microsecond. More digits would only make files longer. */
const PARTS_PER_MS = 1000;

export interface RecorderOptions {
  readonly clock: ClockPort;
  /** Runs a callback in a separate macrotask, in the order of the calls. */
  nextTurn(run: () => void): void;
  write(line: Line): void;
}

export class Recorder {
  readonly #options: RecorderOptions;
  #step = 0;
  #named = 0;
  #nowMs: number;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#nowMs = inMicroseconds(options.clock.now());
  }

  /** The agent's clock in this turn. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Number of the turn. */
  get step(): number {
    return this.#step;
  }

  /**
   * Takes an input: `deliver` runs in its own turn, unless the input is no longer wanted by then. At most the inputs of one turn
   * of the event loop wait.
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

  /** Records an output of the agent. */
  note(output: Output): void {
    this.#options.write(output);
  }

  /** A name for a question or a timer. */
  nextName(): string {
    const name = `${this.#step}.${this.#named}`;
    this.#named += 1;
    return name;
  }

  /** Records a question of the agent: `work` starts now, and its result comes in its own turn. */
  async ask<T>(call: Call, args: Record<string, unknown>, work: Work<T>): Promise<T> {
    const question = this.nextName();
    this.note({ out: 'ask', question, call, with: args });
    return this.answerTo(question, work);
  }

  /** Delivers the result of `work` as the answer to `question`. `record` returns the part that is recorded. */
  answerTo<T>(question: string, { begin, record }: Work<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      begin().then(
        (result) => this.arrive({ in: 'answer', question, value: record?.(result) }, () => resolve(result)),
        (error: unknown) =>
          this.arrive({ in: 'answer', question, value: undefined, error: toPortError(error) }, () => reject(error)),
      );
    });
  }

  /** Runs a call that returns at once, and records the call and its error. */
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
  /** Default: records nothing. */
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
