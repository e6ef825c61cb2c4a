/** The description of a NATS server and the round-trip time to it, over a separate connection. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { KvferryError } from '../protocol/errors.js';
import { inboxPrefixOf } from '../protocol/subjects.js';
import { parseNatsAddress } from './nats-address.js';

const CONNECT_TIMEOUT_MS = 3_000;
/** Number of measured round trips. The first ones on a new connection are not counted. */
const ROUND_TRIPS = 20;
const WARM_UP_ROUND_TRIPS = 3;
const ROUND_TRIP_TIMEOUT_MS = 3_000;
const JETSTREAM_TIMEOUT_MS = 1_000;
const JETSTREAM_SUBJECT = '$JS.API.INFO';

export interface NatsServerFacts {
  /** Its name. */
  readonly server: string;
  readonly version: string;
  readonly payloadBytesMax: number;
  readonly roundTripsMs: readonly number[];
  /** Undefined when JetStream is off or not available to this user. */
  readonly jetStream: { readonly streams: number } | undefined;
}

/** Tries each server once. Rejects `disconnected` when no server accepts, or the server does not answer in time. */
export async function probeNats(options: {
  readonly servers: string;
  readonly name: string;
  readonly inbox?: string | undefined;
}): Promise<NatsServerFacts> {
  const { servers, credentials } = parseNatsAddress(options.servers);
  const refused = (cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new KvferryError('disconnected', `no connection to NATS at ${servers.join(', ')}: ${reason}`, { cause });
  };
  const connecting = connect({
    servers: [...servers],
    ...credentials,
    name: options.name,
    inboxPrefix: inboxPrefixOf(options.inbox ?? options.name),
    timeout: CONNECT_TIMEOUT_MS,
    reconnect: false,
  });
  const connection = await connecting.catch((cause: unknown) => {
    throw refused(cause);
  });
  try {
    const roundTripsMs = await measure(connection);
    const { info } = connection;
    return {
      server: info?.server_name ?? connection.getServer(),
      version: info?.version ?? 'unknown',
      payloadBytesMax: info?.max_payload ?? 0,
      roundTripsMs: roundTripsMs.slice(WARM_UP_ROUND_TRIPS),
      jetStream: await jetStreamOf(connection),
    };
  } catch (cause) {
    throw refused(cause);
  } finally {
    await connection.close();
  }
}

async function measure(connection: NatsConnection): Promise<number[]> {
  const milliseconds: number[] = [];
  for (let trip = 0; trip < WARM_UP_ROUND_TRIPS + ROUND_TRIPS; trip += 1) {
    const startMs = performance.now();
    await within(ROUND_TRIP_TIMEOUT_MS, connection.flush());
    milliseconds.push(performance.now() - startMs);
  }
  return milliseconds;
}

async function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function jetStreamOf(connection: NatsConnection): Promise<{ streams: number } | undefined> {
  try {
    const answer = await connection.request(JETSTREAM_SUBJECT, '', { timeout: JETSTREAM_TIMEOUT_MS });
    const { streams } = answer.json<{ streams?: number }>();
    return streams === undefined ? undefined : { streams };
  } catch (error) {
    // No JetStream, no permission, or no leader. kvferry does not need JetStream, so the difference does not matter.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
