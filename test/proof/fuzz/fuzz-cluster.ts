/** What is fuzzed: one prefill agent, two decode agents and a NATS server, each a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectClient } from '../../../src/client/connect-client.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { ChildProcess } from '../../../src/processes/child-process.js';
import { startNatsServer } from '../../../src/processes/nats-server.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { within } from '../../../src/processes/within.js';
import { builtProgram } from '../chaos/built-program.js';

export const PAGE_BYTES = 65_536;
const START_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** What is kept ends soon, so that the memory of the agents shows what is kept for good. */
const ARGUMENTS = [
  ...['--provider', 'tcp', '--page-bytes', `${PAGE_BYTES}`, '--arena-pages', '256', '--retained-pages', '32'],
  ...['--lease-ms', '2s', '--tombstone-ms', '5s', '--heartbeat-ms', '500ms', '--requests-max', '512'],
  ...['--segments-max', '64', '--sessions-max', '16', '--journal-entries', '4096', '--log-level', 'error'],
];

export interface FuzzedAgent {
  readonly name: string;
  readonly child: ChildProcess;
  readonly epoch: string;
}

export interface FuzzCluster {
  readonly url: string;
  readonly client: KvferryClient;
  readonly agents: readonly FuzzedAgent[];
  /** Of shared memory. */
  readonly directory: string;
}

/** `program`: another build of the command. */
export async function startFuzzCluster(program: string | undefined, teardown: Teardown): Promise<FuzzCluster> {
  const work = mkdtempSync(join(tmpdir(), 'kvferry-fuzz-'));
  teardown.defer(() => rmSync(work, { recursive: true, force: true }));
  const directory = mkdtempSync('/dev/shm/kvferry-fuzz-');
  teardown.defer(() => rmSync(directory, { recursive: true, force: true }));
  const { url, child: nats } = await startNatsServer({ directory: work });
  teardown.defer(() => nats.abandon());
  const client = await connectClient({ servers: url, name: 'kvferry fuzz' });
  teardown.defer(() => client.close());
  const start = async (name: string, role: string, ...more: string[]): Promise<FuzzedAgent> => {
    const places = ['--arena-directory', directory, '--socket-directory', work];
    const child = new ChildProcess({
      name,
      command: process.execPath,
      args: [
        ...['--expose-gc', '--import', join(import.meta.dirname, 'turn-watch.js'), program ?? builtProgram(), 'agent'],
        ...['--agent-id', name, '--role', role, '--nats-url', url, ...places, ...ARGUMENTS, ...more],
      ],
      channel: true,
    });
    teardown.defer(() => child.abandon());
    const { epoch } = await running(client, name);
    return { name, child, epoch };
  };
  const agents = [
    // Its spans are lost: nobody collects them. So it reads headers.
    await start('prefill-0', 'prefill', '--staging-pages', '8', '--trace-endpoint', 'http://127.0.0.1:9'),
    await start('decode-0', 'decode'),
    await start('decode-1', 'decode', '--audit-interval-ms', '200ms'),
  ];
  return { url, client, agents, directory };
}

async function running(client: KvferryClient, name: string) {
  const answered = async () => {
    for (;;) {
      const found = (await client.discover()).find(({ agent, state }) => agent === name && state === 'running');
      if (found !== undefined) return found;
    }
  };
  return within(START_TIMEOUT_MS, `agent ${name} did not start`, answered());
}

/** The longest turn of its event loop since the last question. Zero when the agent has ended. */
export async function longestTurnMs(agent: FuzzedAgent): Promise<number> {
  return (await ask<{ longestTurnMs: number }>(agent, 'turns'))?.longestTurnMs ?? 0;
}

/** Memory of the process that it keeps. Zero when it has ended. */
export async function residentMiB(agent: FuzzedAgent): Promise<number> {
  return (await ask<{ residentMiB: number }>(agent, 'memory'))?.residentMiB ?? 0;
}

function ask<T>({ child }: FuzzedAgent, question: 'turns' | 'memory'): Promise<T | undefined> {
  if (!child.isRunning) return Promise.resolve(undefined);
  const answer = new Promise<T | undefined>((resolve) => {
    child.process.once('message', (message) => resolve(message as T));
    child.process.once('exit', () => resolve(undefined));
  });
  child.process.send(question);
  return within(ANSWER_TIMEOUT_MS, `${child.name} does not answer ${question}`, answer);
}
