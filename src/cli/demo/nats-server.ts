/** Starts a real nats-server on a free port of the loopback interface. */
import { join } from 'node:path';
import { within } from '../../processes/within.js';
import { Child } from './child.js';

export const NATS_SERVER = 'nats-server';
/** Debian installs it beside the programs of the administrator, where an ordinary user's PATH does not look. */
export const natsServerEnvironment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

const START_TIMEOUT_MS = 10_000;
/** Lets the server choose. */
const ANY_PORT = -1;
const LISTENING = /Listening for client connections on (\S+):(\d+)/;
const READY = /Server is ready/;

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly child: Child;
}

/** Resolves when the server accepts connections. Its log goes to `directory`. */
export async function startNatsServer(options: {
  readonly directory: string;
  readonly port?: number;
  readonly args?: readonly string[];
}): Promise<NatsServer> {
  let port = options.port ?? ANY_PORT;
  let markReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    markReady = resolve;
  });
  const child = new Child({
    name: NATS_SERVER,
    command: NATS_SERVER,
    args: ['--addr', '127.0.0.1', '--port', `${port}`, ...(options.args ?? [])],
    env: natsServerEnvironment,
    logPath: join(options.directory, 'nats-server.log'),
    onLine: (line) => {
      const listening = LISTENING.exec(line);
      if (listening !== null) port = Number(listening[2]);
      if (READY.test(line)) markReady();
    },
  });
  try {
    const late = `nats-server was not ready within ${START_TIMEOUT_MS} ms`;
    await within(START_TIMEOUT_MS, late, Promise.race([ready, child.failure()]));
  } catch (error) {
    await child.abandon();
    throw error;
  }
  return { url: `nats://127.0.0.1:${port}`, port, child };
}
