/** A NATS server of our own, on a free port of the loopback interface. */

import type { Teardown } from '../../src/processes/teardown.js';
import { within } from '../../src/processes/within.js';
import { type Program, startProgram } from './program.js';

/** Debian installs it beside the programs of the administrator, where an ordinary user's PATH does not look. */
export const natsServerEnvironment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

const START_TIMEOUT_MS = 10_000;
/** Lets the server choose. */
const ANY_PORT = '-1';
const LISTENING = /Listening for client connections on \S+:(\d+)/;

/** Its address, once it accepts connections. */
export async function startNatsServer(
  directory: string,
  teardown: Teardown,
): Promise<{ url: string; program: Program }> {
  let announce: (port: string) => void = () => undefined;
  const port = new Promise<string>((resolve) => {
    announce = resolve;
  });
  const program = startProgram(
    {
      name: 'nats-server',
      command: 'nats-server',
      args: ['--addr', '127.0.0.1', '--port', ANY_PORT],
      env: natsServerEnvironment,
      logPath: `${directory}/nats-server.log`,
      onLine: (line) => {
        const listening = LISTENING.exec(line)?.[1];
        if (listening !== undefined) announce(listening);
      },
    },
    teardown,
  );
  const late = `nats-server did not listen within ${START_TIMEOUT_MS} ms`;
  const found = await within(START_TIMEOUT_MS, late, Promise.race([port, program.failure()]));
  return { url: `nats://127.0.0.1:${found}`, program };
}
