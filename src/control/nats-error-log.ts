/**
 * The log lines about errors that NATS reports on an open connection. A message names the subject of its answer, and NATS may refuse
 * that answer. So other programs cause these errors, as many as they like: some of each second are logged.
 */
import { LineLimit } from '../figures/line-limit.js';
import type { ControlLogger } from './nats-options.js';

const LINES_PER_SECOND_MAX = 10;

export class NatsErrorLog {
  readonly #logger: ControlLogger | undefined;
  readonly #limit: LineLimit;

  constructor(logger: ControlLogger | undefined) {
    this.#logger = logger;
    this.#limit = new LineLimit(LINES_PER_SECOND_MAX, (errors) =>
      logger?.warn({ errors }, 'errors of NATS not logged'),
    );
  }

  log(nowMs: number, reason: string): void {
    if (this.#limit.passes(nowMs)) this.#logger?.warn({ reason }, 'NATS reported an error');
  }
}
