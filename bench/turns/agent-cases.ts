/** Cases of whole agents, on the simulated ports or without a network. */
import { KEYS_PER_BATCH_MAX, PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { freshKeys } from '../harness/keys.js';
import { LoneAgent } from '../scale/lone-agent.js';
import { Stopwatch } from './stopwatch.js';
import { afresh, DEFAULT_BOUND_MS, names, type TurnCase } from './turn-case.js';
import { TurnWorld } from './turn-world.js';

const WRITER = 'bench-prefill-0';
const OTHER = 'bench-prefill-1';
/** Long enough for the death of a sender to be noticed, and for all that follows. */
const AFTER_DEATH_MS = 30_000;
const AFTER_BREAK_MS = 3000;
const ROUNDS = 10;

export const agentCases: readonly TurnCase[] = [
  {
    name: 'the sender of waiting requests is lost',
    size: '4,000 requests',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => loseSender(4000)),
  },
  {
    name: 'a connection breaks: requests fail, at both agents',
    size: '1,000 x 50 pages',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => breakConnection(1000, 50)),
  },
  {
    name: 'allocate and commit',
    size: '8,192 keys',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => allocateAndCommit(KEYS_PER_BATCH_MAX)),
  },
  {
    name: 'allocate is repeated while it waits',
    size: '30 x 8,192 keys',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => repeatWaiting(30, KEYS_PER_BATCH_MAX)),
  },
];

async function loseSender(requests: number): Promise<number> {
  const world = new TurnWorld();
  await world.start('bench-decode', 'decode', { pages: 1 });
  for (const agent of [WRITER, OTHER]) await world.start(agent, 'prefill');
  await world.put(OTHER, 'writes', ['page']);
  for (const request of names('r', requests)) await world.put(WRITER, request, [request]);
  world.kill(WRITER);
  return world.longestTurn(AFTER_DEATH_MS);
}

async function breakConnection(requests: number, chunks: number): Promise<number> {
  const world = new TurnWorld();
  await world.start('bench-decode', 'decode', { pages: requests * chunks });
  await world.start(WRITER, 'prefill');
  world.fabrics.holdWrites(() => true);
  for (const request of names('r', requests)) await world.put(WRITER, request, names(`${request}.`, chunks));
  await world.holding(requests * chunks);
  world.fabrics.breakConnections(() => true);
  return world.longestTurn(AFTER_BREAK_MS);
}

async function allocateAndCommit(keys: number): Promise<number> {
  // Pages of a round become free in later turns. So no round needs those of an earlier one.
  const agent = await LoneAgent.start(ROUNDS * keys, 1);
  const watch = new Stopwatch();
  for (let round = 0; round < ROUNDS; round += 1) {
    const request = `bench-${round}`;
    const allocate = agent.allocation(request, freshKeys(keys), 0);
    const asked = agent.message('allocate', allocate);
    const { allocation } = agent.reply('allocate', await watch.time(() => agent.deliver(asked)));
    const { pages = [], generations = [] } = allocation ?? {};
    const { epoch, lengths } = allocate;
    const commit = { v: PROTOCOL_VERSION, request, epoch, batch: 0, part: 0, pages, generations, lengths } as const;
    const committed = agent.message('commit', commit);
    await watch.time(() => agent.deliver(committed));
    while (!(await agent.release({ request, epoch }))) await turnEnd();
  }
  await agent.stop();
  return watch.longestMs;
}

async function repeatWaiting(requests: number, keys: number): Promise<number> {
  const agent = await LoneAgent.start(keys, 1);
  await agent.ask('allocate', agent.allocation('writes', freshKeys(keys), 0));
  const waiting = names('r', requests).map((request) => agent.allocation(request, freshKeys(keys), 0));
  const messages = waiting.map((allocate) => agent.message('allocate', allocate));
  const watch = new Stopwatch();
  for (const message of messages) await agent.deliver(message);
  for (const message of messages) {
    await watch.time(() => agent.deliver(message));
  }
  for (const request of ['writes', ...waiting.map((allocate) => allocate.request)]) await agent.abort(request, keys);
  await agent.stop();
  return watch.longestMs;
}

function turnEnd(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
