/**
 * How the NATS client finds a server again. Its list of servers has the present one last, so that the next attempt goes to
 * another one.
 *
 * The client waits between two attempts at one server by the wall clock (nats-core 3.4.0, `dodialLoop`). When that clock goes
 * back, it waits until the clock has caught up. `forgetEarlyAttempts` prevents that.
 */
import type { Socket } from 'node:net';
import type { NatsConnection } from '@nats-io/transport-node';
import { placeOf } from './nats-address.js';

/** Stands for no server: see `forgetEarlyAttempts`. */
const NO_SERVER = 'invalid.invalid:1';

/** Agents with the same list begin with different servers. */
export function shuffled(servers: readonly string[]): string[] {
  const mixed = [...servers];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other] as string, mixed[last] as string];
  }
  return mixed;
}

/** The next attempt goes to another server, if there is one. */
export function preferOthers(connection: NatsConnection, servers: readonly string[]): void {
  const { present, others } = parted(connection, servers);
  connection.setServers([...others, ...present]);
}

/** For another connection that must have the same server. */
export function presentFirst(connection: NatsConnection, servers: readonly string[]): string[] {
  const { present, others } = parted(connection, servers);
  return [...present, ...others];
}

function parted(connection: NatsConnection, servers: readonly string[]) {
  const place = connection.getServer();
  return {
    present: servers.filter((server) => placeOf(server) === place),
    others: servers.filter((server) => placeOf(server) !== place),
  };
}

/** Lets the client dial at once a server that it has, by the wall clock, dialled in the future. */
export function forgetEarlyAttempts(connection: NatsConnection, servers: readonly string[]): void {
  const nowMs = Date.now();
  if (connection.getServers().every(({ lastConnect }) => lastConnect <= nowMs)) return;
  // The client keeps what it knows of a server that stays in the list. So the list is replaced twice.
  connection.setServers([NO_SERVER]);
  connection.setServers([...servers]);
}

/**
 * Ends the connection at once. `NatsConnection.reconnect` first waits until everything is sent, and a server that stands still
 * takes nothing: so the socket is closed. It is private, hence the fallback.
 */
export function breakConnection(connection: NatsConnection): void {
  const socket = socketOf(connection);
  if (socket === undefined) void connection.reconnect();
  else socket.destroy();
}

/** Reads nothing more from the present socket until the result is called. Undefined when the socket cannot be reached. */
export function stopReading(connection: NatsConnection): (() => void) | undefined {
  const socket = socketOf(connection);
  if (socket === undefined) return undefined;
  socket.pause();
  return () => void socket.resume();
}

function socketOf(connection: NatsConnection): Socket | undefined {
  return (connection as unknown as Partial<Internals>).protocol?.transport?.socket;
}

interface Internals {
  readonly protocol: { readonly transport?: { readonly socket?: Socket } };
}
