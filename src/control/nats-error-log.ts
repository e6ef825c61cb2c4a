/**
 * The log lines about errors that NATS reports on an open connection. A message names the subject of its answer, and NATS may refuse
 * that answer. So other programs cause these errors, as many as they like: some of each second are logged.
 */
import type { ControlLogger } from './nats-options.js';

const LINES_PER_SECOND_MAX = 10;
const MS_PER_SECOND = 1000;

export class NatsErrorLog {
  readonly #logger: ControlLogger | undefined;
  /** When the present second began. */
  #secondMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unlogged = 0;

  constructor(logger: ControlLogger | undefined) {
    this.#logger = logger;
  }

  log(nowMs: number, reason: string): void {
    if (nowMs - this.#secondMs >= MS_PER_SECOND) this.#begin(nowMs);
    if (this.#lines >= LINES_PER_SECOND_MAX) {
      this.#unlogged += 1;
      return;
    }
    this.#lines += 1;
    this.#logger?.warn({ reason }, 'NATS reported an error');
  }

  #begin(nowMs: number): void {
    if (this.#unlogged > 0) this.#logger?.warn({ errors: this.#unlogged }, 'errors of NATS not logged');
    this.#secondMs = nowMs;
    this.#lines = 0;
    this.#unlogged = 0;
  }
}
