/** An agent on a host, with the engine beside it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openArena } from '../../src/client/arena-file.js';
import { DecodeEngine } from '../../src/client/decode-engine.js';
import type { KvferryClient } from '../../src/client/kvferry-client.js';
import { PrefillEngine } from '../../src/client/prefill-engine.js';
import type { RequestEnds } from '../../src/client/request-ends.js';
import { SharedFile } from '../../src/client/shared-file.js';
import { ChildProcess } from '../../src/processes/child-process.js';
import { patient } from '../../src/processes/patience.js';
import { poll, within } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Host } from './network/host.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
export const CHUNK_BYTES = 1024 ** 2;
const ARENA_PAGES = 64;
const SLOTS = 64;
const HEARTBEAT_MS = 200;
const CONNECT_TIMEOUT_MS = 3_000;
const ATTEMPT_MS = 500;
const DRAIN_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 30_000;
const LOOK_TIMEOUT_MS = 500;
const CALL_TIMEOUT_MS = 2_000;
const PATIENCE_MS = 10_000;
const END_TIMEOUT_MS = 10_000;
const BYTES_PER_KIB = 1024;

export interface HostAgentOptions {
  readonly host: Host;
  readonly role: 'prefill' | 'decode';
  /** Unique in the run. */
  readonly name: string;
  readonly natsPort: number;
  /** Further settings. They replace earlier ones. */
  readonly args?: readonly string[];
}

export class HostAgent implements AsyncDisposable {
  readonly name: string;
  readonly host: Host;
  readonly #process: ChildProcess;
  /** Memory of engines. */
  readonly #files: SharedFile[] = [];

  constructor({ host, role, name, natsPort, args = [] }: HostAgentOptions) {
    this.name = name;
    this.host = host;
    const settings = [
      ...['--agent-id', name, '--role', role, '--provider', 'tcp', '--bind-address', host.address('data')],
      ...['--nats-url', `nats://${host.gateway('control')}:${natsPort}`, '--heartbeat-ms', `${patient(HEARTBEAT_MS)}`],
      ...['--page-bytes', `${CHUNK_BYTES}`, '--arena-pages', `${ARENA_PAGES}`, '--socket-directory', '/dev/shm'],
      ...['--connect-timeout-ms', `${patient(CONNECT_TIMEOUT_MS)}`, '--attempt-timeout-ms', `${patient(ATTEMPT_MS)}`],
      ...['--shutdown-timeout-ms', '500'],
      // A decode agent that was cut off frees the pages of a sender that gave up after twice as long.
      ...['--write-drain-timeout-ms', `${patient(DRAIN_TIMEOUT_MS)}`],
      ...args,
    ];
    const [command = '', ...words] = host.command(process.execPath, MAIN, 'agent', ...settings);
    this.#process = new ChildProcess({ name: `agent ${name}`, command, args: words });
  }

  /** Resolves when it serves. Rejects when its process ends instead. */
  async serving(client: KvferryClient): Promise<void> {
    const look = async () => {
      try {
        const { state } = await client.describe(this.name, { timeoutMs: patient(LOOK_TIMEOUT_MS) });
        return state === 'running' ? true : undefined;
      } catch {
        // Nobody answers yet: it is still starting, or cut off.
        return undefined;
      }
    };
    const found = await Promise.race([poll(START_TIMEOUT_MS, look), this.#process.failure()]);
    if (found === undefined) throw new KvferryError('deadline_exceeded', `agent ${this.name} does not serve`);
  }

  /** How it ended by itself, with what it printed last. */
  async refusal(): Promise<string> {
    const how = await within(END_TIMEOUT_MS, `agent ${this.name} did not end`, this.#process.ended);
    return `${how}: ${this.#process.outputTail()}`;
  }

  /** Memory of the process that is not shared: without its arena. */
  anonymousBytes(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * BYTES_PER_KIB;
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** An engine on the same host: its memory is a file there. */
  async openPrefillEngine(client: KvferryClient, ends: RequestEnds): Promise<PrefillEngine> {
    const path = `/dev/shm/engine-of-${this.name}`;
    const file = await SharedFile.create(this.host.outside(path), SLOTS * CHUNK_BYTES);
    this.#files.push(file);
    const memory = { path, bytes: file.bytes, write: (offset: number, bytes: Uint8Array) => file.write(offset, bytes) };
    const slotBytes = CHUNK_BYTES;
    const call = { client, ends, callTimeoutMs: patient(CALL_TIMEOUT_MS), patienceMs: patient(PATIENCE_MS) };
    return PrefillEngine.open({ ...call, agent: this.name, segment: `engine-of-${this.name}`, memory, slotBytes });
  }

  openDecodeEngine(client: KvferryClient): DecodeEngine {
    const open = (path: string) => openArena(this.host.outside(path));
    return new DecodeEngine({ client, agent: this.name, callTimeoutMs: patient(CALL_TIMEOUT_MS), openArena: open });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.abandon();
    for (const file of this.#files.splice(0)) await file.close();
  }
}
