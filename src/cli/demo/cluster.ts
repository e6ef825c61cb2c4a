/** The agents of the demo: processes that the demo starts, or agents that already run. */
import { fileURLToPath } from 'node:url';
import type { KvferryClient } from '../../client/kvferry-client.js';
import { ChildProcess, ENDED_WELL, KILLED } from '../../processes/child-process.js';
import { patient } from '../../processes/patience.js';
import type { Teardown } from '../../processes/teardown.js';
import { poll } from '../../processes/within.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Role } from '../../protocol/fields.js';
import type { DescribeReply, OperationReply } from '../../protocol/operations.js';
import { type NatsPlace, natsEnvironment } from '../nats-option.js';
import { SupervisedChild } from './supervised-child.js';

const START_TIMEOUT_MS = 30_000;
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export interface Cluster {
  readonly prefill: readonly DescribeReply[];
  readonly decode: DescribeReply & { readonly arena: NonNullable<DescribeReply['arena']> & { readonly path: string } };
  /** Users may kill agents. The demo restarts its own agents, each under a new epoch. */
  readonly allowsFaults: boolean;
  /** Rejects when an agent exits and the demo does not restart it. Never resolves. */
  failure(): Promise<never>;
  /** Stops the agents and waits for them. Resolves to a line for each agent that did not exit cleanly. */
  stop(): Promise<readonly string[]>;
}

export interface ClusterOptions {
  /** Unique part of the agents' names. */
  readonly run: string;
  readonly prefillAgents: number;
  readonly nats: NatsPlace;
  readonly provider: string;
  /** Address on which the agents listen. */
  readonly bindAddress: string;
  readonly pageBytes: number;
  readonly arenaPages: number;
  readonly arenaDirectory: string;
  /** Directory for logs and sockets. */
  readonly workDirectory: string;
  readonly allowFaults: boolean;
  /** Receives a line for each restart of an agent. */
  readonly say: (line: string) => void;
}

/** Starts agents, each in its own process, and waits until all of them are running. */
export async function startCluster(
  options: ClusterOptions,
  client: KvferryClient,
  teardown: Teardown,
): Promise<Cluster> {
  const names = {
    prefill: Array.from({ length: options.prefillAgents }, (_, index) => `${options.run}-prefill-${index + 1}`),
    decode: `${options.run}-decode`,
  };
  const children = [
    ...names.prefill.map((agent) => keepAgent(agent, 'prefill', options)),
    keepAgent(names.decode, 'decode', options),
  ];
  const stop = async () => {
    const ends = await Promise.all(children.map(async (child) => ({ child, how: await child.stop() })));
    const good = options.allowFaults ? [ENDED_WELL, KILLED] : [ENDED_WELL];
    return ends.filter(({ how }) => !good.includes(how)).map(({ child, how }) => `${child.name} ${how}`);
  };
  teardown.defer(async () => void (await Promise.all(children.map((child) => child.abandon()))));
  const failure = () => Promise.race(children.map((child) => child.failure()));
  const agents = await Promise.race([running([...names.prefill, names.decode], client), failure()]);
  const byName = new Map(agents.map((agent) => [agent.agent, agent]));
  return {
    prefill: names.prefill.map((name) => byName.get(name) as DescribeReply),
    decode: withArena(byName.get(names.decode) as DescribeReply),
    allowsFaults: options.allowFaults,
    failure,
    stop,
  };
}

/** Finds running agents: every prefill agent, and the first agent with an arena. Rejects `no_responders` if there are none. */
export async function findCluster(client: KvferryClient, allowsFaults: boolean): Promise<Cluster> {
  const found = await poll(START_TIMEOUT_MS, async () => {
    const agents = (await client.discover()).filter(({ state }) => state === 'running');
    const decode = agents.find(({ role }) => role === 'decode') ?? agents.find(({ arena }) => arena !== undefined);
    const prefill = agents.filter(({ agent, role }) => role !== 'decode' && agent !== decode?.agent);
    return decode === undefined || prefill.length === 0 ? undefined : { prefill, decode: withArena(decode) };
  });
  if (found === undefined) {
    const message = `no prefill and decode agents were found within ${patient(START_TIMEOUT_MS)} ms`;
    throw new KvferryError('no_responders', message);
  }
  return { ...found, allowsFaults, failure: () => new Promise<never>(() => undefined), stop: async () => [] };
}

/** The status of every agent in the cluster. */
export function askStatuses(cluster: Cluster, client: KvferryClient): Promise<OperationReply<'status'>[]> {
  return Promise.all(
    [...cluster.prefill, cluster.decode].map(({ agent }) => client.status(agent, { lists: ['peers'] })),
  );
}

/** Starts an agent. If users may kill it, the agent is restarted after a kill. */
function keepAgent(agent: string, role: Role, options: ClusterOptions): ChildProcess | SupervisedChild {
  if (!options.allowFaults) return startAgent(agent, role, options);
  return new SupervisedChild({
    start: (life) => startAgent(agent, role, options, life),
    onKilled: () => options.say(`agent ${agent} was killed; restarting it`),
  });
}

function startAgent(agent: string, role: Role, options: ClusterOptions, life = 1): ChildProcess {
  return new ChildProcess({
    name: `agent ${agent}`,
    command: process.execPath,
    args: [
      MAIN,
      'agent',
      ...['--agent-id', agent],
      ...['--role', role],
      ...['--provider', options.provider],
      ...['--page-bytes', `${options.pageBytes}`],
      ...['--arena-pages', `${options.arenaPages}`],
      ...['--arena-directory', options.arenaDirectory],
      ...['--socket-directory', options.workDirectory],
      ...['--bind-address', options.bindAddress],
      ...['--allow-faults', `${options.allowFaults}`],
    ],
    // The URL is not a flag, because every user of the machine can read the flags of a process, and it may contain credentials.
    env: { ...process.env, ...natsEnvironment(options.nats) },
    logPath: `${options.workDirectory}/${agent}${life === 1 ? '' : `-${life}`}.log`,
    channel: true,
  });
}

async function running(names: readonly string[], client: KvferryClient): Promise<DescribeReply[]> {
  const agents = await poll(START_TIMEOUT_MS, async () => {
    const found = (await client.discover()).filter(({ agent, state }) => names.includes(agent) && state === 'running');
    return found.length === names.length ? found : undefined;
  });
  if (agents !== undefined) return agents;
  const message = `agents ${names.join(', ')} did not start within ${patient(START_TIMEOUT_MS)} ms`;
  throw new KvferryError('deadline_exceeded', message);
}

function withArena(agent: DescribeReply): Cluster['decode'] {
  if (agent.arena === undefined) throw new KvferryError('role_mismatch', `agent ${agent.agent} has no arena`);
  const { path } = agent.arena;
  if (path === undefined) throw new KvferryError('role_mismatch', `the arena of agent ${agent.agent} is on a device`);
  return { ...agent, arena: { ...agent.arena, path } };
}
