/** Real agents, each in its own process, with a real nats-server, real shared memory and the native fabric. */
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fillPage, findMismatch } from '../../src/cli/demo/pattern.js';
import { connectClient } from '../../src/client/connect-client.js';
import type { KvferryClient, OperationInput } from '../../src/client/kvferry-client.js';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { nativeStatus } from '../../src/native/native-status.js';
import { ChildProcess } from '../../src/processes/child-process.js';
import { poll, within } from '../../src/processes/within.js';
import { FAILPOINTS_VARIABLE } from '../../src/proof/failpoints/failpoint-spec.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import type { TerminalEvent } from '../../src/protocol/events.js';
import type { OperationReply, StatusReply } from '../../src/protocol/operations.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';

export const PAGE_BYTES = 65_536;
export const HEARTBEAT_MS = 200;
/** How long an agent that must stop waits for requests that still hold pages. Most tests leave some. */
const SHUTDOWN_MS = 100;
/** How long a test waits for what it needs: enough for a machine that runs much else. */
const WAIT_MS = 60_000;
export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

const native = nativeStatus();

/** The reason why real agents cannot run on this machine, or undefined if they can. */
export const missing =
  natsServerMissing ??
  (native.addon ? undefined : native.reason) ??
  (existsSync(MAIN) ? undefined : 'the program is not built');

/** The reason why this provider is unavailable on this machine, or undefined if it is available. */
export function providerMissing(provider: NativeProvider): string | undefined {
  return native.unavailable.find((row) => row.provider === provider)?.reason;
}

/** The start of a command that runs another one as this user. */
export function asUser(uid: number): string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
}

export class AgentProcess {
  readonly name: string;
  readonly #child: ChildProcess;

  /** `uid`: runs it as this user. */
  constructor(
    name: string,
    args: readonly string[],
    { failpoints = '', uid }: { failpoints?: string; uid?: number } = {},
  ) {
    this.name = name;
    const command = [...(uid === undefined ? [] : asUser(uid)), process.execPath, MAIN];
    this.#child = new ChildProcess({
      name: `agent ${name}`,
      command: command[0] as string,
      args: [...command.slice(1), 'agent', '--agent-id', name, ...args],
      env: { ...process.env, [FAILPOINTS_VARIABLE]: failpoints },
      channel: true,
    });
  }

  /** What it logged, a line each. */
  get log(): readonly string[] {
    return this.#child.lines;
  }

  /** Resolves when a log line contains `text`. */
  async logged(text: string): Promise<void> {
    await this.#child.printed((line) => (line.includes(text) ? true : undefined), text, WAIT_MS);
  }

  /** Stops the process, or continues it. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.signal(signal);
  }

  /** Sends a signal and waits for the exit. Resolves to the exit status or the name of the fatal signal. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> {
    this.#child.signal(signal);
    return this.#exit(`${this.name} did not end`);
  }

  /** Waits for the exit. Resolves to the exit status or the name of the fatal signal. */
  get ended(): Promise<number | string> {
    return this.#exit(`${this.name} did not end by itself`);
  }

  get isRunning(): boolean {
    return this.#child.isRunning;
  }

  async #exit(late: string): Promise<number | string> {
    const { code, signal } = await within(WAIT_MS, late, this.#child.exited);
    return code ?? signal ?? 'not started';
  }
}

/** A NATS server, a client, and the agents that a test starts. All of them stop at the end of the test. */
export class RealCluster implements AsyncDisposable {
  readonly client: KvferryClient;
  readonly url: string;
  readonly terminals: TerminalEvent[] = [];
  readonly #nats: TestNatsServer;
  readonly #directory: string;
  readonly #agents: AgentProcess[] = [];
  /** Callbacks of the tests that wait for the next terminal event. */
  readonly #waiting = new Set<() => void>();

  private constructor(nats: TestNatsServer, client: KvferryClient, directory: string) {
    this.#nats = nats;
    this.url = nats.url;
    this.client = client;
    this.#directory = directory;
    const heard = (event: TerminalEvent) => {
      this.terminals.push(event);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    };
    client.onTerminal(heard, heard);
  }

  /** Passes `natsArgs` to the NATS server. */
  static async start(...natsArgs: string[]): Promise<RealCluster> {
    const nats = await TestNatsServer.start(...natsArgs);
    const client = await connectClient({ servers: nats.url, name: 'test' });
    const cluster = new RealCluster(nats, client, mkdtempSync('/dev/shm/kvferry-test-'));
    await client.flush();
    return cluster;
  }

  async agent(
    name: string,
    role: 'prefill' | 'decode',
    provider: 'same-host' | 'tcp' = 'same-host',
    more: { readonly failpoints?: string; readonly uid?: number; readonly args?: readonly string[] } = {},
  ): Promise<AgentProcess> {
    const args = [
      ...['--role', role, '--nats-url', this.#nats.url, '--provider', provider],
      ...['--page-bytes', `${PAGE_BYTES}`, '--arena-pages', '16', '--heartbeat-ms', `${HEARTBEAT_MS}`],
      ...['--socket-directory', this.#directory, '--shutdown-timeout-ms', `${SHUTDOWN_MS}`, '--log-level', 'debug'],
      ...(more.args ?? []),
    ];
    const agent = new AgentProcess(name, args, more);
    this.#agents.push(agent);
    await agent.logged('agent running');
    return agent;
  }

  /** Epoch of the last process of that agent. Read from its log, because a dead or stopped agent does not answer. */
  epochOf(name: string): string {
    const log = this.#agents.findLast((agent) => agent.name === name)?.log ?? [];
    return /"epoch":"([0-9a-f]{16})"/.exec(log.join('\n'))?.[1] ?? '';
  }

  /** Other users may read the segments. */
  letOthersRead(): void {
    chmodSync(this.#directory, 0o755);
  }

  /** Creates a segment in shared memory whose chunk i has the bytes of `keys[i]`, and attaches it at `agent`. */
  async segment(agent: string, keys: readonly string[]): Promise<string> {
    const path = join(this.#directory, `${agent}.segment`);
    const file = openSync(path, 'w');
    const page = Buffer.alloc(PAGE_BYTES);
    for (const [index, key] of keys.entries()) {
      fillPage(page, key);
      writeSync(file, page, 0, PAGE_BYTES, index * PAGE_BYTES);
    }
    closeSync(file);
    await this.client.attach(agent, { segment: 'engine', path });
    return path;
  }

  /** As clients do, puts again while the agent refuses because it stood still: a busy machine pauses agents for a second. */
  async put(
    agent: string,
    request: string,
    keys: readonly string[],
    more: Partial<OperationInput<'put'>> = {},
  ): Promise<OperationReply<'put'>> {
    const batch = {
      ...{ request, receiver: 'decode-0', batch: 0, last: true, totalChunks: keys.length },
      // Longer than a loaded machine takes; a test of deadlines gives its own.
      timeoutMs: 60_000,
      keys: [...keys],
      source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: keys.length }],
      ...more,
    };
    const accepted = await poll(WAIT_MS, async () => {
      try {
        return await this.client.put(agent, batch);
      } catch (error) {
        if (isKvferryError(error, 'agent_paused')) return undefined;
        throw error;
      }
    });
    if (accepted === undefined) throw new Error(`agent ${agent} refuses request ${request}: it stands still for long`);
    return accepted;
  }

  /** Resolves to the terminal event of `request`. */
  async ended(request: string): Promise<TerminalEvent> {
    const find = async () => {
      for (;;) {
        const event = this.terminals.find((terminal) => terminal.request === request);
        if (event !== undefined) return event;
        await new Promise<void>((resolve) => {
          this.#waiting.add(resolve);
        });
      }
    };
    return within(WAIT_MS, `request ${request} did not end`, find());
  }

  /** Polls the status of the sender `agent` until a batch of the request is in that state. */
  async transferWhen(agent: string, request: string, state: string): Promise<void> {
    const find = async () => {
      for (;;) {
        const { actors } = await this.client.inspect(agent, { request });
        if (actors.some((actor) => actor.machine === 'transfer' && actor.state === state)) return;
      }
    };
    await within(WAIT_MS, `no batch of ${request} at ${agent} came to be ${state}`, find());
  }

  /** Polls the status of `agent` until `wanted` is true for it. */
  async statusWhen(agent: string, wanted: (status: StatusReply) => boolean): Promise<StatusReply> {
    const look = async () => {
      for (;;) {
        const status = await this.client.status(agent);
        if (wanted(status)) return status;
      }
    };
    return within(WAIT_MS, `agent ${agent} never came into the wanted state`, look());
  }

  /** The keys whose acquired page has other bytes than those of the key. */
  wrongPages(acquired: OperationReply<'acquire'>): string[] {
    const file = openSync(acquired.arena.path ?? '', 'r');
    const scratch = Buffer.alloc(PAGE_BYTES);
    const wrong = acquired.keys.filter((key, index) => {
      const page = Buffer.alloc(acquired.lengths[index] ?? 0);
      readSync(file, page, 0, page.length, (acquired.pages[index] ?? 0) * acquired.arena.pageBytes);
      return findMismatch(page, key, scratch) !== undefined;
    });
    closeSync(file);
    return wrong;
  }

  interruptNats(): Promise<void> {
    return this.#nats.interrupt();
  }

  restoreNats(): Promise<void> {
    return this.#nats.restore();
  }

  /** Stops all running agents with SIGTERM. Resolves to their exit statuses or signals. */
  stopAgents(): Promise<(number | string)[]> {
    return Promise.all(this.#agents.filter((agent) => agent.isRunning).map((agent) => agent.end('SIGTERM')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgents();
    await this.client.close();
    await this.#nats[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true });
  }
}

/** Truncates a file, as a faulty engine may do. */
export function shrink(path: string, bytes: number): void {
  const file = openSync(path, 'r+');
  ftruncateSync(file, bytes);
  closeSync(file);
}
