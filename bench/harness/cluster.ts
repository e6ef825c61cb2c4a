/** NATS and agents, each a process of its own, as they are deployed. */
import { fileURLToPath } from 'node:url';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { connectNats } from '../../src/control/nats-control.js';
import type { ControlPort } from '../../src/ports/control.js';
import { type ChildProcess, startChild } from '../../src/processes/child-process.js';
import { startNatsServer } from '../../src/processes/nats-server.js';
import type { Teardown } from '../../src/processes/teardown.js';
import { poll } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { AgentProbe, ProbeQuestion } from './agent-probe.js';
import { ask } from './ask.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const PROBE = new URL('agent-probe.js', import.meta.url).href;
const START_TIMEOUT_MS = 60_000;
const START_POLL_MS = 5;
const PROBE_TIMEOUT_MS = 30_000;
/** One look whether an agent serves by now. */
const LOOK_TIMEOUT_MS = 250;

export interface ClusterOptions {
  readonly prefillAgents: number;
  readonly pageBytes: number;
  readonly arenaPages: number;
  /** For sources and arenas. */
  readonly directory: string;
  /** For logs and sockets. */
  readonly workDirectory: string;
  /** Further settings of every agent. */
  readonly settings: readonly string[];
}

export class BenchAgent {
  readonly name: string;
  readonly #args: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  readonly #logPath: string;
  readonly #teardown: Teardown;
  #program: ChildProcess;

  constructor(name: string, args: readonly string[], natsUrl: string, workDirectory: string, teardown: Teardown) {
    this.name = name;
    this.#args = ['--expose-gc', '--import', PROBE, MAIN, 'agent', '--agent-id', name, ...args];
    this.#environment = { ...process.env, KVFERRY_NATS_URL: natsUrl };
    this.#logPath = `${workDirectory}/${name}.log`;
    this.#teardown = teardown;
    this.#program = this.#start();
  }

  get program(): ChildProcess {
    return this.#program;
  }

  /** What its process has used so far. `collect`: garbage is collected first. */
  probe(question: ProbeQuestion = {}): Promise<AgentProbe> {
    return ask(this.#program, question, PROBE_TIMEOUT_MS);
  }

  /** SIGKILL: resolves when the process is gone. */
  kill(): Promise<void> {
    return this.#program.kill();
  }

  /** After `kill`: another process under the same name. */
  restart(): void {
    this.#program = this.#start();
  }

  #start(): ChildProcess {
    return startChild(
      {
        name: `agent ${this.name}`,
        command: process.execPath,
        args: this.#args,
        env: this.#environment,
        logPath: this.#logPath,
        channel: true,
      },
      this.#teardown,
    );
  }
}

export interface Cluster {
  readonly natsUrl: string;
  readonly control: ControlPort;
  readonly client: KvferryClient;
  readonly prefill: readonly BenchAgent[];
  readonly decode: BenchAgent;
}

/** Resolves when all agents serve. */
export async function startCluster(options: ClusterOptions, teardown: Teardown): Promise<Cluster> {
  const { prefillAgents, pageBytes, arenaPages, directory, workDirectory, settings } = options;
  const { url: natsUrl, child: nats } = await startNatsServer({ directory: workDirectory });
  teardown.defer(() => nats.abandon());
  const control = await connectNats({ servers: natsUrl, name: 'kvferry bench' });
  // It closes the connection too, and ends the sessions of the load, which would go on asking for their agents.
  const client = new KvferryClient(control);
  teardown.defer(() => client.close());
  const start = (name: string, role: string) => {
    const args = [
      ...['--role', role, '--log-level', 'warn'],
      ...['--page-bytes', `${pageBytes}`, '--arena-pages', `${arenaPages}`],
      ...['--arena-directory', directory, '--socket-directory', workDirectory],
      ...settings,
    ];
    return new BenchAgent(name, args, natsUrl, workDirectory, teardown);
  };
  const decode = start('bench-decode', 'decode');
  const prefill = Array.from({ length: prefillAgents }, (_, index) => start(`bench-prefill-${index}`, 'prefill'));
  const cluster = { natsUrl, control, client, prefill, decode };
  await Promise.all([decode, ...prefill].map((agent) => serving(agent, client)));
  return cluster;
}

/** Resolves with its epoch when the agent serves. Rejects when its process ends instead. */
export async function serving(agent: BenchAgent, client: KvferryClient): Promise<string> {
  const look = async () => {
    try {
      const { state, epoch } = await client.describe(agent.name, { timeoutMs: LOOK_TIMEOUT_MS });
      return state === 'running' ? epoch : undefined;
    } catch {
      // Nobody listens yet: it is still starting.
      return undefined;
    }
  };
  const found = await Promise.race([poll(START_TIMEOUT_MS, look, START_POLL_MS), agent.program.failure()]);
  if (found === undefined) throw new KvferryError('deadline_exceeded', `agent ${agent.name} does not serve`);
  return found;
}
