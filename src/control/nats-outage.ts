/**
 * What happens during an outage of NATS. The client dials again without limit, and keeps to itself why an attempt fails: so an
 * attempt beside it finds out, and the log says it. The reason may be on this host, such as a file that was replaced.
 */
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import type { NatsAccess } from './nats-access.js';
import { RETRY_DELAY_MS } from './nats-dial-options.js';
import { forgetEarlyAttempts } from './nats-dialing.js';
import type { ControlLogger } from './nats-options.js';
import { refusalOf } from './nats-refusal.js';

/** How long an outage lasts until its reason is logged, and how often it is looked for again. */
const EXPLAIN_MS = 10_000;

export interface NatsOutageOptions {
  readonly servers: readonly string[];
  readonly access: NatsAccess;
  /** How the connection was made. */
  readonly dial: NodeConnectionOptions;
  /** Undefined: another connection of this program finds out. */
  readonly logger: ControlLogger | undefined;
  readonly explainMs: number | undefined;
}

export class NatsOutage {
  readonly #connection: NatsConnection;
  readonly #options: NatsOutageOptions;
  #redialing: NodeJS.Timeout | undefined;
  #explaining: NodeJS.Timeout | undefined;
  /** What the log has said of this outage. */
  #said: string | undefined;
  #isLooking = false;
  /** Errors of this outage that were logged. Each attempt to connect may have the same one. */
  readonly #errors = new Set<string>();

  constructor(connection: NatsConnection, options: NatsOutageOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  begin(): void {
    const { servers, logger, explainMs = EXPLAIN_MS } = this.#options;
    this.#said = undefined;
    this.#errors.clear();
    this.#redialing = setInterval(() => forgetEarlyAttempts(this.#connection, servers), RETRY_DELAY_MS);
    if (logger !== undefined) this.#explaining = setInterval(() => void this.#explain(logger), explainMs);
  }

  end(): void {
    clearInterval(this.#redialing);
    clearInterval(this.#explaining);
    this.#explaining = undefined;
  }

  /** Whether this error of an attempt to connect is the first of its kind in this outage. */
  isNews(reason: string): boolean {
    const isNews = !this.#errors.has(reason);
    this.#errors.add(reason);
    return isNews;
  }

  async #explain(logger: ControlLogger): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { servers } = this.#options;
    const reason = await this.#reason();
    this.#isLooking = false;
    if (reason === undefined || reason === this.#said || this.#explaining === undefined) return;
    this.#said = reason;
    logger.warn({ servers, reason }, 'NATS is still disconnected');
  }

  /** Undefined when a server accepts: then the connection is back in a moment. */
  async #reason(): Promise<string | undefined> {
    const { servers, access, dial } = this.#options;
    try {
      const connection = await connect({ ...dial, servers: [...servers] });
      await connection.close();
      return undefined;
    } catch (cause) {
      return refusalOf(cause, servers, access);
    }
  }
}
