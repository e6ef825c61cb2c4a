/** Three NATS servers, two prefill and two decode agents, and how each is replaced by its next process. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectClient } from '../../../src/client/connect-client.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { connectNats } from '../../../src/control/nats-control.js';
import { ChildProcess, ENDED_WELL, KILLED } from '../../../src/processes/child-process.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { decode } from '../../../src/protocol/codec.js';
import { terminalEvent } from '../../../src/protocol/events.js';
import { subjects } from '../../../src/protocol/subjects.js';
import { builtProgram } from '../chaos/built-program.js';
import { NatsCluster } from '../chaos/nats-cluster.js';
import { EndsHeard } from './ends-heard.js';

export const CHUNK_BYTES = 65_536;
const START_TIMEOUT_MS = 30_000;
/** More than the time for which an agent drains. */
const STOP_TIMEOUT_MS = 40_000;
const CONNECT_TIMEOUT_MS = 10_000;

const ARGUMENTS = [
  ...['--page-bytes', `${CHUNK_BYTES}`, '--arena-pages', '512', '--heartbeat-ms', '500ms', '--lease-ms', '10s'],
  ...['--shutdown-timeout-ms', '20s', '--log-level', 'info'],
];

export interface RolledAgent {
  readonly name: string;
  readonly role: 'prefill' | 'decode';
  readonly args: readonly string[];
}

/** What is done to an agent: a process ends in order, or is killed. */
export type Ending = 'SIGTERM' | 'SIGKILL';

const AGENTS: readonly RolledAgent[] = [
  { name: 'rolling-prefill-0', role: 'prefill', args: ['--provider', 'same-host'] },
  { name: 'rolling-prefill-1', role: 'prefill', args: ['--provider', 'tcp'] },
  { name: 'rolling-decode-0', role: 'decode', args: ['--provider', 'same-host,tcp'] },
  { name: 'rolling-decode-1', role: 'decode', args: ['--provider', 'same-host,tcp', '--retained-pages', '64'] },
];

export class RollingCluster {
  readonly slots = AGENTS;
  readonly nats: NatsCluster;
  readonly client: KvferryClient;
  readonly ends: EndsHeard;
  /** Of shared memory. */
  readonly directory: string;
  /** Processes that did not end as they should. */
  readonly badEnds: string[] = [];
  restarts = 0;
  readonly #logDirectory: string;
  readonly #socketDirectory: string;
  readonly #teardown: Teardown;
  readonly #processes = new Map<RolledAgent, ChildProcess>();

  private constructor(parts: {
    readonly nats: NatsCluster;
    readonly client: KvferryClient;
    readonly ends: EndsHeard;
    readonly directory: string;
    readonly logDirectory: string;
    readonly socketDirectory: string;
    readonly teardown: Teardown;
  }) {
    this.nats = parts.nats;
    this.client = parts.client;
    this.ends = parts.ends;
    this.directory = parts.directory;
    this.#logDirectory = parts.logDirectory;
    this.#socketDirectory = parts.socketDirectory;
    this.#teardown = parts.teardown;
  }

  /** Resolves when every agent runs. Without `logDirectory`, the logs are deleted at the end. */
  static async start(logs: string | undefined, teardown: Teardown): Promise<RollingCluster> {
    const socketDirectory = mkdtempSync(join(tmpdir(), 'kvferry-rolling-'));
    teardown.defer(() => rmSync(socketDirectory, { recursive: true, force: true }));
    const directory = mkdtempSync('/dev/shm/kvferry-rolling-');
    teardown.defer(() => rmSync(directory, { recursive: true, force: true }));
    const logDirectory = logs ?? socketDirectory;
    mkdirSync(logDirectory, { recursive: true });
    const nats = await NatsCluster.start(logDirectory, teardown);
    const ends = await listen(nats.urls, teardown);
    const client = await connect(nats.url, 'kvferry rolling', teardown);
    const parts = { nats, client, ends, directory, logDirectory, socketDirectory, teardown };
    const cluster = new RollingCluster(parts);
    await Promise.all(AGENTS.map((agent) => cluster.#start(agent)));
    return cluster;
  }

  /** A client of its own connection. It is closed at the end. */
  connect(name: string): Promise<KvferryClient> {
    return connect(this.nats.url, name, this.#teardown);
  }

  /**
   * Replaces the process of an agent. `overlapping`: the next process starts while this one drains. Else it starts when this one
   * has ended, as service managers do it. Resolves when the next one runs and this one has ended.
   */
  async roll(agent: RolledAgent, how: { readonly overlapping: boolean; readonly ending: Ending }): Promise<void> {
    this.restarts += 1;
    const before = this.#processes.get(agent);
    const ended = this.#end(agent, before, how.ending);
    if (!how.overlapping) await ended;
    await this.#start(agent);
    await ended;
  }

  async #end(agent: RolledAgent, child: ChildProcess | undefined, ending: Ending): Promise<void> {
    if (child === undefined) return;
    if (ending === 'SIGKILL') await child.kill();
    const how = ending === 'SIGKILL' ? await child.ended : await child.stop(STOP_TIMEOUT_MS);
    if (how !== (ending === 'SIGKILL' ? KILLED : ENDED_WELL)) this.badEnds.push(`${agent.name} ${how}`);
  }

  async #start(agent: RolledAgent): Promise<void> {
    const { name, role, args } = agent;
    const child = new ChildProcess({
      name: `agent ${name}`,
      command: process.execPath,
      args: [
        ...[builtProgram(), 'agent', '--agent-id', name, '--role', role, '--nats-url', this.nats.url, ...args],
        ...['--arena-directory', this.directory, '--socket-directory', this.#socketDirectory, ...ARGUMENTS],
      ],
      logPath: join(this.#logDirectory, `${name}.log`),
      // With a channel, an agent does not outlive us.
      channel: true,
    });
    this.#teardown.defer(() => child.kill());
    this.#processes.set(agent, child);
    await child.printed((line) => line.includes('"agent running"') || undefined, 'that it runs', START_TIMEOUT_MS);
  }
}

/** Listens at every server, so that an outage of one server hides no announcement. */
async function listen(urls: readonly string[], teardown: Teardown): Promise<EndsHeard> {
  const ends = new EndsHeard();
  for (const servers of urls) {
    const control = await connectNats({ servers, name: 'kvferry rolling observer' });
    teardown.defer(() => control.close());
    control.subscribe(subjects.terminals, ({ body }) => ends.heard(decode(terminalEvent, body)));
    await control.flush();
  }
  return ends;
}

async function connect(servers: string, name: string, teardown: Teardown): Promise<KvferryClient> {
  const client = await connectClient({ servers, name, connectTimeoutMs: CONNECT_TIMEOUT_MS });
  teardown.defer(() => client.close());
  return client;
}
