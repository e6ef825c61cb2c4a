/** The description of a NATS server and the round-trip time to it, over a separate connection. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { KvferryError } from '../protocol/errors.js';
import { accessOptions, checkAccess, type NatsAccess } from './nats-access.js';
import { hostAndPortOf, parseNatsAddress } from './nats-address.js';
import { type InboxOptions, inboxOf, userOf } from './nats-inbox.js';
import { refusalOf } from './nats-refusal.js';

const CONNECT_TIMEOUT_MS = 3_000;
/** Number of measured round trips. The first ones on a new connection are not counted. */
const ROUND_TRIPS = 20;
const WARM_UP_ROUND_TRIPS = 3;
const ROUND_TRIP_TIMEOUT_MS = 3_000;
const JETSTREAM_TIMEOUT_MS = 1_000;
const JETSTREAM_SUBJECT = '$JS.API.INFO';
/** Answers to other programs come to such subjects: below the prefix of the NATS clients, and below any other one. */
const INBOXES_OF_OTHERS = ['_INBOX.>', '_INBOX_agent.another-program.>'];
const LOOPBACK = /^(localhost|127\..*|::1)$/;

export interface NatsServerFacts {
  /** Its name. */
  readonly server: string;
  readonly version: string;
  readonly payloadBytesMax: number;
  readonly roundTripsMs: readonly number[];
  /** Undefined when JetStream is off or not available to this user. */
  readonly jetStream: { readonly streams: number } | undefined;
  /** Whether only programs of the server's own host reach it under this address. */
  readonly isLoopback: boolean;
  /** Whether the server asks who a program is. */
  readonly asksForUser: boolean;
  /** Whether the connection is encrypted. */
  readonly isEncrypted: boolean;
  /** Whether this user may subscribe to the answers that other programs get. */
  readonly readsInboxes: boolean;
}

/** Tries each server once. Rejects `disconnected` when no server accepts, or the server does not answer in time. */
export async function probeNats(
  options: InboxOptions & { readonly servers: string; readonly access?: NatsAccess | undefined },
): Promise<NatsServerFacts> {
  const { access = {} } = options;
  checkAccess(access);
  const { servers, credentials } = parseNatsAddress(options.servers);
  const refused = async (cause: unknown) => {
    const reason = await refusalOf(cause, servers, access);
    return new KvferryError('disconnected', `no connection to NATS at ${servers.join(', ')}: ${reason}`, { cause });
  };
  const connecting = connect({
    servers: [...servers],
    ...credentials,
    // The file was read a moment ago.
    ...accessOptions(access, { servers, user: userOf(options), unreadable: () => undefined }),
    name: options.name,
    inboxPrefix: inboxOf(options),
    timeout: CONNECT_TIMEOUT_MS,
    reconnect: false,
  });
  const connection = await connecting.catch(async (cause: unknown) => {
    throw await refused(cause);
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
      isLoopback: LOOPBACK.test(hostAndPortOf(connection.getServer()).host),
      asksForUser: info?.auth_required === true,
      isEncrypted: isEncrypted(connection),
      readsInboxes: await maySubscribe(connection, INBOXES_OF_OTHERS),
    };
  } catch (cause) {
    throw await refused(cause);
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

/** Whether the user may subscribe to one of the subjects. A refusal comes before the answer to the flush. */
async function maySubscribe(connection: NatsConnection, subjects: readonly string[]): Promise<boolean> {
  let refusals = 0;
  const subscriptions = subjects.map((subject) =>
    connection.subscribe(subject, {
      callback: (error) => {
        if (error !== null) refusals += 1;
      },
    }),
  );
  await within(ROUND_TRIP_TIMEOUT_MS, connection.flush());
  for (const subscription of subscriptions) subscription.unsubscribe();
  return refusals < subjects.length;
}

/** The client has no public question for it, so an unknown transport counts as clear text. */
function isEncrypted(connection: NatsConnection): boolean {
  const { transport } = (connection as unknown as Partial<Internals>).protocol ?? {};
  return transport?.isEncrypted() ?? false;
}

interface Internals {
  readonly protocol: { readonly transport: { isEncrypted(): boolean } };
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
