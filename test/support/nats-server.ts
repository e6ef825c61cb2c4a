/** A real nats-server for tests, on a free port. It stops, and its directory is removed, at the end of the test or suite. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  NATS_SERVER,
  type NatsServer,
  natsServerEnvironment,
  startNatsServer,
} from '../../src/processes/nats-server.js';

/** The reason why tests with NATS cannot run on this machine, or undefined if they can. */
export const natsServerMissing =
  spawnSync(NATS_SERVER, ['--version'], { env: natsServerEnvironment }).error === undefined
    ? undefined
    : 'nats-server is not installed';

export class TestNatsServer {
  readonly url: string;
  readonly #directory: string;
  readonly #args: readonly string[];
  readonly #port: number;
  #server: NatsServer | undefined;

  private constructor(server: NatsServer, directory: string, args: readonly string[]) {
    this.#server = server;
    this.#directory = directory;
    this.#args = args;
    this.#port = server.port;
    this.url = server.url;
  }

  static async start(...args: string[]): Promise<TestNatsServer> {
    const directory = mkdtempSync(join(tmpdir(), 'kvferry-nats-'));
    return new TestNatsServer(await startNatsServer({ directory, args }), directory, args);
  }

  /** What the server has logged, a line each. */
  get log(): string[] {
    return readFileSync(join(this.#directory, 'nats-server.log'), 'utf8').split('\n');
  }

  /** Ends the process, so that all connections break. */
  async interrupt(): Promise<void> {
    await this.#server?.child.stop();
    this.#server = undefined;
  }

  /** Sends the server a signal: SIGSTOP and SIGCONT make it stand still, SIGHUP makes it read its configuration again. */
  signal(name: NodeJS.Signals): void {
    this.#server?.child.signal(name);
  }

  /** Starts the server again on the same port. */
  async restore(): Promise<void> {
    this.#server = await startNatsServer({ directory: this.#directory, port: this.#port, args: this.#args });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.interrupt();
    rmSync(this.#directory, { recursive: true });
  }
}
