/**
 * The log lines about refused messages. A program that sends wrong messages without end must not fill a disk: every refusal is
 * counted, and some of each second are logged.
 */
import type { Logger } from 'pino';
import { LineLimit } from '../../figures/line-limit.js';
import type { LogLevel } from './log-level.js';

const LINES_PER_SECOND_MAX = 50;

export class RefusalLog {
  readonly #logger: Pick<Logger, LogLevel | 'error'>;
  readonly #limit: LineLimit;

  constructor(logger: Pick<Logger, LogLevel | 'error'>) {
    this.#logger = logger;
    this.#limit = new LineLimit(LINES_PER_SECOND_MAX, (refusals) =>
      logger.warn({ refusals }, 'refused messages not logged'),
    );
  }

  log(nowMs: number, level: LogLevel | 'error', fields: object, message: string): void {
    if (this.#limit.passes(nowMs)) this.#logger[level](fields, message);
  }
}
