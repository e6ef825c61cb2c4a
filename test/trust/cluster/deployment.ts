/** NATS as `kvferry keys` sets it up: TLS, credentials for each user, and the permissions of each role. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NatsAccess } from '../../../src/control/nats-access.js';
import { startNatsServer } from '../../../src/processes/nats-server.js';
import type { Teardown } from '../../../src/processes/teardown.js';

export const PROGRAM = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const HOST = '127.0.0.1';
/** `kvferry doctor` tries what must be refused: that is how it knows. */
const TRIED_BY_DOCTOR = /kvferry doctor".*"(\$JS\.API\.INFO|_INBOX[^"]*)"/;

/** Where NATS is, and what proves who a program is. */
export interface Credentials {
  readonly servers: string;
  readonly access: NatsAccess;
}

export class Deployment {
  readonly directory: string;
  readonly port: number;
  readonly #logs: string;

  private constructor(directory: string, logs: string, port: number) {
    this.directory = directory;
    this.#logs = logs;
    this.port = port;
  }

  /** `spoil` may change the configuration before the server starts. */
  static async start(
    {
      work,
      users,
      spoil,
    }: { readonly work: string; readonly users: readonly string[]; readonly spoil?: Spoil | undefined },
    teardown: Teardown,
  ): Promise<Deployment> {
    const directory = makeKeys(join(work, 'keys'), users);
    spoil?.(directory);
    const configuration = join(directory, 'server/nats.conf');
    // Several servers may run on this host.
    writeFileSync(configuration, readFileSync(configuration, 'utf8').replace(/^http: .*$/m, `http: ${HOST}:-1`));
    const { port, child } = await startNatsServer({ directory: work, args: ['--config', configuration] });
    teardown.defer(() => child.abandon());
    return new Deployment(directory, work, port);
  }

  get ca(): string {
    return join(this.directory, 'ca.pem');
  }

  get servers(): string {
    return `tls://${HOST}:${this.port}`;
  }

  credentialsOf(user: string): Credentials {
    return { servers: this.servers, access: { creds: join(this.directory, 'users', `${user}.creds`), ca: this.ca } };
  }

  /** Refusals in the server's log so far. */
  violations(): string[] {
    return readFileSync(join(this.#logs, 'nats-server.log'), 'utf8')
      .split('\n')
      .filter((line) => /violation/i.test(line) && !TRIED_BY_DOCTOR.test(line));
  }
}

/** Changes files of a key directory. */
export type Spoil = (directory: string) => void;

/** The directory that `kvferry keys` has filled. */
export function makeKeys(directory: string, users: readonly string[]): string {
  const options = ['--directory', directory, '--server-name', HOST, '--server-name', 'localhost'];
  const named = users.flatMap((user) => ['--user', user]);
  execFileSync(process.execPath, [PROGRAM, 'keys', ...options, ...named], { stdio: 'pipe' });
  return directory;
}
