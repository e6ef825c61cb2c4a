/** How the NATS client connects, and connects again. */
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { accessOptions } from './nats-access.js';
import { inboxOf, userOf } from './nats-inbox.js';
import type { NatsControlOptions } from './nats-options.js';

/** Time limit for one attempt to connect. A server that stands still accepts connections and is silent. */
const ATTEMPT_TIMEOUT_MS = 2_000;
export const RETRY_DELAY_MS = 200;
const RETRY_JITTER_MS = 100;
const PING_INTERVAL_MS = 5_000;
const PINGS_UNANSWERED_MAX = 2;

/** All but the servers, and the credentials in their URLs. */
export function dialOptions(options: NatsControlOptions, servers: readonly string[]): NodeConnectionOptions {
  const unreadable = (file: string, err: unknown) => options.logger?.warn({ file, err }, 'credentials not read again');
  return {
    ...accessOptions(options.access ?? {}, { servers, user: userOf(options), unreadable }),
    name: options.name,
    inboxPrefix: inboxOf(options),
    timeout: ATTEMPT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_DELAY_MS,
    reconnectJitter: RETRY_JITTER_MS,
    pingInterval: options.pingIntervalMs ?? PING_INTERVAL_MS,
    maxPingOut: PINGS_UNANSWERED_MAX,
    // The configuration of a server that refuses the connection may change, so retry.
    ignoreAuthErrorAbort: true,
    // A server may tell the others' addresses as it knows them itself, which clients perhaps cannot reach.
    ignoreClusterUpdates: true,
    // The list is shuffled once, and then kept in the order of the next attempts.
    noRandomize: true,
    noAsyncTraces: true,
  };
}
