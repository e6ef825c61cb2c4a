/**
 * The log lines about refused messages. A program that sends wrong messages without end must not fill a disk: every refusal is
 * counted, and some of each second are logged.
 */
import type { Logger } from 'pino';
import type { LogLevel } from './log-level.js';

const LINES_PER_SECOND_MAX = 50;
const MS_PER_SECOND = 1000;

export class RefusalLog {
  readonly #logger: Pick<Logger, LogLevel | 'error'>;
  /** When the present second began. */
  #secondMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unlogged = 0;

  constructor(logger: Pick<Logger, LogLevel | 'error'>) {
    this.#logger = logger;
  }

  log(nowMs: number, level: LogLevel | 'error', fields: object, message: string): void {
    if (nowMs - this.#secondMs >= MS_PER_SECOND) this.#begin(nowMs);
    if (this.#lines < LINES_PER_SECOND_MAX) {
      this.#lines += 1;
      this.#logger[level](fields, message);
    } else {
      this.#unlogged += 1;
    }
  }

  #begin(nowMs: number): void {
    if (this.#unlogged > 0) this.#logger.warn({ refusals: this.#unlogged }, 'refused messages not logged');
    this.#secondMs = nowMs;
    this.#lines = 0;
    this.#unlogged = 0;
  }
}
