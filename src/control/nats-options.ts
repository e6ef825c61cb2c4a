/** What a connection to NATS is made with. */
import type { NatsAccess } from './nats-access.js';
import type { InboxOptions } from './nats-inbox.js';

/** Where the connection reports outages and lost messages. A logger of pino is one. */
export interface ControlLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface NatsControlOptions extends InboxOptions {
  /** One URL, or several separated by commas. A URL may contain a user and password, or a token. */
  readonly servers: string;
  /** Files with credentials and certificates. They are read again for every connection. */
  readonly access?: NatsAccess | undefined;
  /** Time to try until the first connection. Default: one attempt at each server. */
  readonly connectTimeoutMs?: number;
  readonly logger?: ControlLogger;
  /** Begins with the server that this connection has, and goes on to the others in the same order. */
  readonly beside?: { readonly servers: readonly string[]; readonly serversFromPresent: string[] };
  /** Interval of pings to the server. Two unanswered pings are an outage. */
  readonly pingIntervalMs?: number;
  /** How often the reason of an outage is looked for. The logger gets each new one. */
  readonly explainMs?: number;
}
