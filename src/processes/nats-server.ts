/** A real nats-server on the loopback interface. */
import { join } from 'node:path';
import { ChildProcess } from './child-process.js';

export const NATS_SERVER = 'nats-server';
/** Debian installs nats-server in /usr/sbin, which is not in the PATH of an ordinary user. */
export const natsServerEnvironment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

const START_TIMEOUT_MS = 10_000;
/** Lets the server choose a free port. */
const ANY_PORT = -1;
const LISTENING = /Listening for client connections on \S+:(\d+)/;
const READY = /Server is ready/;

export interface NatsServerOptions {
  /** Directory of its log, `nats-server.log`. */
  readonly directory: string;
  /** Default: a free port. */
  readonly port?: number;
  readonly args?: readonly string[];
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Resolves when the server accepts connections. The caller must end `child`. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { directory, port: wanted = ANY_PORT, args = [] } = options;
  const child = new ChildProcess({
    name: NATS_SERVER,
    command: NATS_SERVER,
    args: ['--addr', '127.0.0.1', '--port', `${wanted}`, ...args],
    env: natsServerEnvironment,
    logPath: join(directory, 'nats-server.log'),
  });
  let port = wanted;
  try {
    await child.printed(
      (line) => {
        port = Number(LISTENING.exec(line)?.[1] ?? port);
        return READY.test(line) ? true : undefined;
      },
      'that it is ready',
      START_TIMEOUT_MS,
    );
  } catch (error) {
    await child.abandon();
    throw error;
  }
  return { url: `nats://127.0.0.1:${port}`, port, child };
}
