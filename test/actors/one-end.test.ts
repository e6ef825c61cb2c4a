/** P12: every accepted request has one end. That holds when agents were absent, or when each declared the other dead. */
import { expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];

interface Made {
  readonly made: Cluster;
  readonly decode: Agent;
  readonly prefill: Agent;
}

async function cluster(): Promise<Made> {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  const prefill = await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return { made, decode, prefill };
}

/** What was published about the request, all told, a long time later; and what both agents say when they are asked. */
async function endsOf(made: Cluster, request: string) {
  await made.clock.advance(60_000);
  const published = made.terminals.filter((event) => event.request === request);
  const asked: unknown[] = [];
  for (const agent of ['decode-0', 'prefill-0']) {
    const { requests } = await made.call(agent, 'status', { request });
    asked.push(...requests.map(({ end }) => end));
  }
  return { published: published.map(({ end, reason }) => [end, reason?.code]), asked };
}

test('P12: the receiver stops before it reads a commit → the sender waits: ready', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
  await made.clock.advance(100);
  made.network.fate = ({ subject }) => ({ copies: 1, delayMs: subject.endsWith('.commit') ? 50 : 0 });
  await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2 });
  const stopped = made.freeze(decode, 10_000);
  await made.clock.advance(9000);
  const [request] = (await made.call('prefill-0', 'status', { request: 'r1' })).requests;
  expect(request).toMatchObject({ state: 'aborting.doubting' });
  await stopped;
  expect(await endsOf(made, 'r1')).toEqual({ published: [['ready', undefined]], asked: ['ready', 'ready'] });
});

test("P12, P14: the receiver is stopped, nothing unanswered → the sender's end holds", async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
  await made.clock.advance(100);
  await made.freeze(decode, 10_000);
  expect(await endsOf(made, 'r1')).toEqual({ published: [['failed', 'receiver_lost']], asked: ['failed', 'failed'] });
  expect((await made.status('decode-0')).pages).toMatchObject({ free: 8 });
});

test('P12: the receiver never answers a commit → no end is announced, it is counted', async () => {
  const { made, decode } = await cluster();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'r1', ['k0'], { timeoutMs: 5000 });
  await made.clock.until(() => writes.held > 0);
  made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.commit') ? 0 : 1, delayMs: 0 });
  writes.release();
  await made.clock.advance(100);
  made.kill(decode);
  await made.clock.advance(300_000);
  expect(made.terminals).toEqual([]);
  await made.clock.advance(10_000);
  expect(made.terminals).toEqual([]);
  const { requestsTotal, counters } = await made.status('prefill-0');
  expect([requestsTotal, counters.ends_unknown]).toEqual([0, 1]);
});

test('P12: one copy of a commit is refused → another one may still arrive: no end', async () => {
  const { made, decode } = await cluster();
  let copies = 0;
  made.network.fate = ({ subject, kind, to }) => {
    const isLost = kind === 'message' && to === 'decode-0' && subject.endsWith('.commit');
    return { copies: isLost ? 0 : 1, delayMs: 0 };
  };
  made.client.subscribe(`kvferry.v2.peer.decode-0.${decode.epoch}.*.commit`, ({ respond }) => {
    copies += 1;
    made.halt(decode);
    const error = { code: 'internal', message: 'the second copy is refused' };
    if (copies === 2) respond(JSON.stringify({ v: 2, ok: false, error }));
  });
  await made.put('prefill-0', 'r1', ['k0']);
  await made.clock.advance(10_000);
  expect(copies).toBe(2);
  expect(made.terminals).toEqual([]);
  const { requests } = await made.call('prefill-0', 'status', { request: 'r1' });
  expect(requests).toMatchObject([{ state: 'aborting.doubting' }]);
  made.kill(decode);
});

test('P12: a notice of pages comes late, during a commit → the sender stays in doubt', async () => {
  const { made } = await cluster();
  const x = await made.put('prefill-0', 'x', keys);
  await made.ended('x');
  await made.agent('prefill-1', 'prefill');
  await made.segment('prefill-1', 'engine', ['k4', 'k5', 'k6', 'k7', 'k8']);
  const { epoch } = await made.put('prefill-1', 'q', ['k4', 'k5', 'k6', 'k7', 'k8']);
  await made.clock.advance(100);
  // The notice is late, so the sender asks. From its commit on, it receives nothing else.
  let notice = '';
  let isMuted = false;
  made.network.fate = ({ subject, from, to, kind, body }) => {
    isMuted ||= kind === 'message' && subject.endsWith('.commit');
    const isNotice = subject.endsWith('.allocated') && from === 'decode-0';
    if (isNotice) notice = body;
    return { copies: isNotice || (isMuted && from === 'decode-0' && to === 'prefill-1') ? 0 : 1, delayMs: 0 };
  };
  await made.call('decode-0', 'release', { request: 'x', epoch: x.epoch });
  expect(await made.ended('q')).toMatchObject({ end: 'ready' });
  made.client.publish(`kvferry.v2.peer.prefill-1.${epoch}.decode-0.allocated`, notice);
  await made.clock.advance(10);
  await made.call('prefill-1', 'cancel', { request: 'q' });
  await made.clock.advance(10_000);
  const { requests } = await made.call('prefill-1', 'status', { request: 'q' });
  expect(requests).toMatchObject([{ state: 'aborting.doubting' }]);
  made.network.fate = () => ({ copies: 1, delayMs: 0 });
  expect((await endsOf(made, 'q')).published).toEqual([['ready', undefined]]);
});

test('P12: the receiver wants an end, and the sender is silent → only failed', async () => {
  const { made, prefill } = await cluster();
  await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
  await made.clock.advance(100);
  made.halt(prefill);
  await made.call('decode-0', 'cancel', { request: 'r1' });
  await made.clock.advance(10_000);
  expect(made.terminals).toMatchObject([{ request: 'r1', end: 'failed', reason: { code: 'sender_lost' } }]);
  made.kill(prefill);
});

test('P12: in doubt, the receiver is restarted → the sender announces', async () => {
  const { made, decode } = await cluster();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'r1', ['k0']);
  await made.clock.until(() => writes.held > 0);
  made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.commit') ? 0 : 1, delayMs: 0 });
  writes.release();
  await made.clock.advance(100);
  made.kill(decode);
  await made.clock.advance(6000);
  expect(made.terminals).toEqual([]);
  await made.agent('decode-0', 'decode');
  expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'receiver_lost' } });
  await made.clock.advance(60_000);
  expect(made.terminals).toHaveLength(1);
});

test('P12: in doubt, the receiver comes back as its name is taken → one end', async () => {
  const { made, decode } = await cluster();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'r1', ['k0'], { timeoutMs: 4000 });
  await made.clock.until(() => writes.held > 0);
  // The answer about the name is late, and so is the notice of the end.
  const delays: Readonly<Record<string, number>> = { describe: 400, ended: 600 };
  made.network.fate = ({ subject, from }) => {
    const operation = subject.split('.').at(-1) ?? '';
    const isDelayed = operation === 'ended' || from === 'prefill-0';
    return { copies: operation === 'commit' ? 0 : 1, delayMs: isDelayed ? (delays[operation] ?? 0) : 0 };
  };
  writes.release();
  await made.clock.advance(100);
  made.setConnected(decode, false);
  await made.clock.advance(5900);
  await made.agent('decode-0', 'decode');
  await made.clock.advance(800);
  const { requests } = await made.call('prefill-0', 'status', { request: 'r1' });
  expect(requests).toMatchObject([{ state: 'aborting.doubting' }]);
  made.setConnected(decode, true);
  await made.clock.advance(60_000);
  const events = made.terminals.filter(({ request }) => request === 'r1');
  expect(events.map(({ end, reason }) => [end, reason?.code])).toEqual([['expired', 'deadline_exceeded']]);
});

test('P12: another request completes it → the receiver asks before it announces', async () => {
  const { made } = await cluster();
  await made.agent('prefill-1', 'prefill');
  await made.segment('prefill-1', 'engine', keys);
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'r0', ['k0']);
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-1', 'r1', ['k0']);
  await made.clock.advance(100);
  writes.release();
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  expect((await made.status('decode-0')).counters).toMatchObject({ ends_confirmed: 1 });
});

test('P12: the receiver announces ready, its sender does not receive it → it waits', async () => {
  const { made } = await cluster();
  await made.agent('prefill-1', 'prefill');
  await made.segment('prefill-1', 'engine', keys);
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'r0', ['k0']);
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-1', 'r1', ['k0']);
  await made.clock.advance(100);
  // The sender agrees, and receives nothing from then on.
  let agreed = false;
  made.network.fate = ({ from, to, subject }) => {
    agreed ||= from === 'prefill-1' && subject.endsWith('.confirm');
    return { copies: agreed && to === 'prefill-1' && from === 'decode-0' ? 0 : 1, delayMs: 0 };
  };
  writes.release();
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  await made.clock.advance(10_000);
  made.network.fate = () => ({ copies: 1, delayMs: 0 });
  expect((await endsOf(made, 'r1')).published).toEqual([['ready', undefined]]);
});

test('P12, P14: the receiver is cut off from NATS past the deadline → one event', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4, timeoutMs: 5000 });
  await made.clock.advance(100);
  await made.cutOff(decode, 20_000);
  expect(await endsOf(made, 'r1')).toEqual({
    published: [['failed', 'receiver_lost']],
    asked: ['failed', 'failed'],
  });
});

test("P12, P14: the sender is cut off from NATS → the receiver's announcement holds", async () => {
  const { made, prefill } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4, timeoutMs: 5000 });
  await made.clock.advance(100);
  await made.cutOff(prefill, 20_000);
  expect(await endsOf(made, 'r1')).toEqual({ published: [['failed', 'sender_lost']], asked: ['failed', 'failed'] });
});

test('P12, P14: both are cut off, as when NATS restarts: the request goes on', async () => {
  const { made, decode, prefill } = await cluster();
  const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
  await made.clock.advance(100);
  await Promise.all([made.cutOff(decode, 10_000), made.cutOff(prefill, 10_000)]);
  await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2 });
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  await made.call('decode-0', 'release', { request: 'r1', epoch });
});

test('P14: three heartbeats are lost, and nothing else: asked directly, the peer lives', async () => {
  const { made } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
  await made.clock.advance(100);
  made.network.fate = ({ subject }) => ({ copies: subject.includes('.heartbeat.') ? 0 : 1, delayMs: 0 });
  await made.clock.advance(10_000);
  await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2 });
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
});

test('P12: no provider connects, but messages arrive → only the receiver announces', async () => {
  const { made } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
  await made.clock.advance(100);
  made.fabrics.reachable = () => false;
  made.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
  await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2 });
  expect(await endsOf(made, 'r1')).toEqual({
    published: [['failed', 'connection_lost']],
    asked: ['failed', 'failed'],
  });
});

/** Stops both, one within the other's absence: `decode` for `decodeMs`, and `prefill` for `prefillMs` when `afterMs` of that have passed. */
async function bothStopped({ made, decode, prefill }: Made, decodeMs: number, afterMs: number, prefillMs: number) {
  const decodeStopped = made.freeze(decode, decodeMs);
  await made.clock.advance(afterMs);
  await Promise.all([decodeStopped, made.freeze(prefill, prefillMs)]);
}

test('P12: messages lay unread in a stopped receiver → they begin nothing it announces', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r0', ['k0']);
  await made.ended('r0');
  const stopped = made.freeze(decode, 10_000);
  await made.put('prefill-0', 'r1', keys, { timeoutMs: 20_000 });
  await stopped;
  expect(await endsOf(made, 'r1')).toEqual({
    published: [['failed', 'receiver_lost']],
    asked: ['failed', 'failed'],
  });
});

test('P12, P14: sender stopped while its receiver is silent → it declares no peer dead', async () => {
  const { made, decode, prefill } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4, timeoutMs: 15_000 });
  await made.clock.advance(100);
  await bothStopped({ made, decode, prefill }, 2500, 2000, 10_000);
  expect((await endsOf(made, 'r1')).published).toEqual([['failed', 'sender_lost']]);
});

test('P5: a sender never reports its writes → its key is revoked, its pages are free', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4, timeoutMs: 5000 });
  await made.clock.advance(100);
  // Its pages are given out, and the answer that says so is lost.
  made.network.fate = ({ subject, kind }) => ({
    copies: kind === 'reply' && subject.endsWith('.allocate') ? 0 : 1,
    delayMs: 0,
  });
  await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2, timeoutMs: 5000 });
  await made.clock.advance(100);
  await made.cutOff(decode, 6000);
  await made.clock.advance(1000);
  expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 2 });
  await made.clock.advance(11_000);
  const { pages, counters } = await made.status('decode-0');
  expect(pages).toMatchObject({ quarantined: 0, free: 8 });
  expect(counters).toMatchObject({ quarantines_overdue: 1, grants_revoked: 1 });
});

test('P5: a remote key is revoked unnoticed → the next request gets a new key', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r1', ['k0'], { timeoutMs: 5000 });
  await made.ended('r1');
  const { requests, peers } = await made.status('decode-0');
  expect([requests.length, peers.length]).toEqual([1, 1]);
  // The receiver loses the sender and hears of it again, while the sender notices nothing.
  made.network.fate = ({ from, to }) => ({ copies: from === 'prefill-0' && to === 'decode-0' ? 0 : 1, delayMs: 0 });
  await made.clock.until(() => made.fabrics.revoked.length > 0, 20_000);
  made.network.fate = () => ({ copies: 1, delayMs: 0 });
  expect(decode.inspectStore()?.broken).toBeUndefined();
  await made.put('prefill-0', 'r2', ['k1'], { first: 1 });
  expect(await made.ended('r2')).toMatchObject({ end: 'ready' });
});

test('P14: a late heartbeat of a dead predecessor → its successor stays alive', async () => {
  const { made, decode, prefill } = await cluster();
  const counted = { number: 9, ageMs: 9000, alone: true, draining: false, leaving: false };
  const late = { agent: 'decode-0', epoch: decode.epoch, role: 'decode', heartbeatMs: 1000, ...counted };
  made.kill(decode);
  await made.clock.advance(5000);
  await made.agent('decode-0', 'decode');
  await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
  await made.clock.advance(100);
  made.client.publish('kvferry.v2.heartbeat.decode-0', JSON.stringify({ v: 2, ...late }));
  const stranger = { ...late, agent: 'prefill-0', epoch: prefill.epoch.replace('0', 'f'), role: 'prefill' };
  made.client.publish('kvferry.v2.heartbeat.prefill-0', JSON.stringify({ v: 2, ...stranger }));
  await made.clock.advance(100);
  await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2 });
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
});
