/** T20: agents are parted or paused for a time, and none dies. No request ends that would not have ended; none has two ends. */
import { expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];

async function cluster(): Promise<{ readonly made: Cluster; readonly decode: Agent }> {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  for (const agent of ['prefill-0', 'prefill-1']) {
    await made.agent(agent, 'prefill');
    await made.segment(agent, 'engine', keys);
  }
  return { made, decode };
}

/** No message passes between these two any more, as when the route between their servers is down. */
function part(made: Cluster, ...pair: readonly string[]): void {
  made.network.interest = (from, to) => from === to || !pair.includes(from) || !pair.includes(to);
}

/** The ends that were published within a minute. */
async function publishedIn(made: Cluster): Promise<string[]> {
  await made.clock.advance(60_000);
  return made.terminals.map(({ request, end }) => `${request} ${end}`).toSorted();
}

test('P12, P27: the machine of the receiver was paused → one end', async () => {
  const { made, decode } = await cluster();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  made.pauseMachine(decode);
  writes.release();
  await made.clock.advance(10_000);
  made.goOn(decode);
  expect(await publishedIn(made)).toEqual(['a ready']);
});

test('P21, T20: the receiver is away from NATS for a heartbeat → its request is ready', async () => {
  const { made, decode } = await cluster();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  made.clock.setTimeout(() => writes.release(), 100);
  await made.cutOff(decode, 1200);
  expect(await publishedIn(made)).toEqual(['a ready']);
});

test('P12, P21, T20: a route is down for 0.7 s → each request is ready, once', async () => {
  const { made } = await cluster();
  const first = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => first.held > 0);
  // c has nothing to write: it waits for the bytes of a.
  await made.put('prefill-1', 'c', ['k0']);
  const second = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-1'));
  await made.put('prefill-1', 'd', ['k3'], { first: 3 });
  await made.clock.until(() => second.held > 0);
  part(made, 'prefill-1', 'decode-0');
  second.release();
  await made.clock.advance(700);
  made.network.interest = () => true;
  await made.clock.advance(100);
  first.release();
  expect(await publishedIn(made)).toEqual(['a ready', 'c ready', 'd ready']);
});

test('P21, T20: parted for two heartbeats, soon after the first contact → ready', async () => {
  const { made } = await cluster();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'a', ['k0'], { timeoutMs: 30_000 });
  // No heartbeat has come since the first contact. What the agents send about b shows that they live.
  await made.clock.advance(850);
  await made.put('prefill-0', 'b', ['k1'], { first: 1, timeoutMs: 30_000 });
  await made.clock.until(() => writes.held === 2);
  part(made, 'prefill-0', 'decode-0');
  await made.clock.advance(2000);
  made.network.interest = () => true;
  writes.release();
  expect(await publishedIn(made)).toEqual(['a ready', 'b ready']);
});

test('P12: two agents are parted for long → both announce failed at most', async () => {
  const { made } = await cluster();
  await made.put('prefill-0', 'a', ['k0'], { last: false, totalChunks: 2, timeoutMs: 20_000 });
  await made.clock.advance(100);
  part(made, 'prefill-0', 'decode-0');
  await made.clock.advance(30_000);
  made.network.interest = () => true;
  expect([...new Set(await publishedIn(made))]).toEqual(['a failed']);
});

test('P7: the receiver is stopped past the deadline of a request → it expires', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'warm', ['k1'], { first: 1 });
  await made.ended('warm');
  const stopped = made.freeze(decode, 2000);
  await made.put('prefill-0', 'a', ['k0'], { timeoutMs: 300 });
  await stopped;
  expect(await made.ended('a')).toMatchObject({ end: 'expired', reason: { code: 'deadline_exceeded' } });
});
