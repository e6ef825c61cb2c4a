/** An agent that was recorded does the same again when it is replayed. */
import { expect, test } from 'vitest';
import { Replay, type Situation } from '../../../src/observe/replay/replay.js';
import { RecordedCluster, replayed } from './support.js';

const keys = ['k0', 'k1', 'k2', 'k3'];

/** One decode agent and two prefill agents, each with an engine that holds the chunks. All are recorded. */
async function clusterOf(options: Parameters<RecordedCluster['agent']>[2] = {}): Promise<RecordedCluster> {
  const cluster = new RecordedCluster();
  await cluster.agent('decode-0', 'decode', options);
  for (const agent of ['prefill-0', 'prefill-1']) {
    await cluster.agent(agent, 'prefill', options);
    await cluster.segment(agent, 'engine', keys);
  }
  return cluster;
}

/** Replays every agent's recording, and expects nothing else than what was recorded. */
async function expectTheSame(cluster: RecordedCluster, received: Record<string, number>): Promise<void> {
  for (const name of cluster.lines.keys()) {
    const { replay, findings } = await replayed(cluster.file(name));
    expect({ name, ...findings }).toEqual({
      name,
      divergences: [],
      divergencesTotal: 0,
      violations: [],
      violationsTotal: 0,
      skipped: 0,
      ownTimers: 0,
      requests: { sent: expect.anything(), received: name === 'decode-0' ? received : {} },
    });
    expect(replay.last).toBeGreaterThan(5);
  }
}

test('requests that are deduplicated and joined', async () => {
  const cluster = await clusterOf();
  const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await cluster.put('prefill-0', 'a', keys);
  await cluster.clock.until(() => writes.held > 0);
  await cluster.put('prefill-1', 'b', keys);
  await cluster.clock.advance(100);
  writes.release();
  expect(await cluster.ended('b')).toMatchObject({ end: 'ready', joined: 4 });
  const c = await cluster.put('prefill-1', 'c', keys);
  expect(await cluster.ended('c')).toMatchObject({ end: 'ready', deduplicated: 4 });
  await cluster.call('decode-0', 'acquire', { request: 'c', epoch: c.epoch });
  await cluster.call('decode-0', 'release', { request: 'c', epoch: c.epoch });
  await cluster.clock.advance(5000);
  await expectTheSame(cluster, { ready: 3 });
});

test('a writer is killed, and who had joined it takes its place', async () => {
  const cluster = await clusterOf();
  const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  const a = await cluster.put('prefill-0', 'a', ['k0', 'k1']);
  await cluster.clock.until(() => writes.held > 0);
  await cluster.put('prefill-1', 'b', ['k0', 'k1']);
  await cluster.clock.advance(100);
  cluster.kill(a);
  expect(await cluster.ended('b')).toMatchObject({ end: 'ready' });
  expect(await cluster.ended('a')).toMatchObject({ end: 'failed' });
  writes.release();
  await cluster.clock.advance(10_000);
  expect((await cluster.status('decode-0')).counters).toMatchObject({ chunks_handed_over: 2 });
  await expectTheSame(cluster, { ready: 1, failed: 1 });
});

test('a request is cancelled in the middle of its write', async () => {
  const cluster = await clusterOf();
  const writes = cluster.fabrics.holdWrites();
  await cluster.put('prefill-0', 'a', keys);
  await cluster.clock.until(() => writes.held > 0);
  await cluster.call('prefill-0', 'cancel', { request: 'a' });
  await cluster.clock.advance(1000);
  writes.release();
  expect(await cluster.ended('a')).toMatchObject({ end: 'cancelled' });
  await cluster.clock.advance(20_000);
  await expectTheSame(cluster, { cancelled: 1 });
});

test('a receiver is killed', async () => {
  const cluster = await clusterOf();
  const writes = cluster.fabrics.holdWrites();
  await cluster.put('prefill-0', 'a', keys);
  await cluster.clock.until(() => writes.held > 0);
  cluster.kill({ epoch: '1'.padStart(16, '0') });
  expect(await cluster.ended('a')).toMatchObject({ end: 'failed', sender: 'prefill-0' });
  await cluster.clock.advance(5000);
  expect((await cluster.status('prefill-0')).counters).toMatchObject({ receivers_lost: 1 });
  await expectTheSame(cluster, {});
});

test('no provider connects → the replay has the reason too', async () => {
  const cluster = new RecordedCluster();
  cluster.fabrics.providers = ['verbs', 'memory'];
  await cluster.agent('decode-0', 'decode', { providers: cluster.fabrics.providers });
  cluster.fabrics.providers = ['memory'];
  await cluster.agent('prefill-0', 'prefill', { providers: ['verbs'] });
  await cluster.segment('prefill-0', 'engine', keys);
  await cluster.put('prefill-0', 'a', keys);
  const message = 'cannot connect to agent decode-0: every provider failed: verbs: this agent does not have verbs';
  expect((await cluster.ended('a')).reason).toEqual({ code: 'connection_failed', message });
  await cluster.clock.advance(5000);
  await expectTheSame(cluster, {});
});

test('NATS is away for a while, and an agent is stopped for a while', async () => {
  const cluster = await clusterOf();
  const a = await cluster.put('prefill-0', 'a', ['k0'], { last: false, totalChunks: 2 });
  await cluster.clock.advance(100);
  await cluster.cutOff(a, 1500);
  await cluster.put('prefill-0', 'a', ['k1'], { batch: 1, totalChunks: 2, first: 1 });
  await cluster.freeze(a, 5000);
  await cluster.ended('a');
  await cluster.clock.advance(10_000);
  const { end } = await cluster.ended('a');
  await expectTheSame(cluster, { [end]: 1 });
});

test('leases expire: the recording replays without any difference', async () => {
  const cluster = await clusterOf({ leaseMs: 2000 });
  const a = await cluster.put('prefill-0', 'a', keys);
  await cluster.ended('a');
  await cluster.call('decode-0', 'acquire', { request: 'a', epoch: a.epoch });
  await cluster.clock.advance(5000);
  expect((await cluster.status('decode-0')).counters).toMatchObject({ leases_expired: 1 });
  await expectTheSame(cluster, { ready: 1 });
});

test('a write fails, bad messages are refused, and agents stop on request', async () => {
  const cluster = new RecordedCluster();
  const decode = await cluster.agent('decode-0', 'decode');
  const prefill = await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', keys);
  cluster.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
  await cluster.put('prefill-0', 'a', keys);
  expect(await cluster.ended('a')).toMatchObject({ end: 'failed' });
  await expect(cluster.raw('decode-0', 'acquire', '{"v":2')).rejects.toMatchObject({ code: 'malformed_json' });
  await cluster.clock.advance(10_000);
  await cluster.end('prefill-0', prefill);
  await cluster.end('decode-0', decode);
  await expectTheSame(cluster, { failed: 1 });
});

test('forwards and backwards lead to the same situation', async () => {
  const cluster = await clusterOf();
  await cluster.put('prefill-0', 'a', keys, { first: 0 });
  await cluster.ended('a');
  const { replay } = await replayed(cluster.file('decode-0'));
  const forwards = new Map<number, Situation>();
  await replay.goTo(0);
  do forwards.set(replay.situation.recorded.step, replay.situation);
  while (await replay.stepForward());
  expect([...forwards.keys()]).toEqual(Array.from({ length: replay.last + 1 }, (_, step) => step));
  const store = replay.inspectStore();
  do expect(replay.situation).toEqual(forwards.get(replay.situation.recorded.step));
  while (await replay.stepBack());
  expect(replay.situation.recorded.step).toBe(0);
  await replay.goTo(replay.last + 100);
  expect(replay.situation).toEqual(forwards.get(replay.last));
  expect(replay.inspectStore()).toEqual(store);
});

test('an input shows what it changed in the machines', async () => {
  const cluster = await clusterOf();
  const a = await cluster.put('prefill-0', 'a', keys);
  await cluster.ended('a');
  const replay = await Replay.open(cluster.file('decode-0'));
  const told: string[] = [];
  while (await replay.stepForward()) told.push(...replay.situation.changes);
  const request = `request ${a.epoch}/a (receiver)`;
  expect(told).toEqual([
    'agent decode-0: starting',
    'pages: 8 free',
    'agent decode-0: starting → running',
    `sender prefill-0/${a.epoch}: connecting and alive`,
    `sender prefill-0/${a.epoch}: connecting and alive → connected and alive, memory`,
    'pages: 8 free → 4 free, 4 writing',
    `${request}: running.receiving, 1 batches, 4 chunks`,
    `${request}: running.receiving, 1 batches, 4 chunks → ready, 1 batches, 4 chunks, ready`,
    'pages: 4 free, 4 writing → 4 free, 4 ready',
  ]);
});
