/** P2, T2: the writer of a shared chunk fails, and a request that had joined it takes its place. */
import { expect, test } from 'vitest';
import { type Cluster, defaults, PAGE_BYTES, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];
const empty = { total: 8, free: 8, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 };

/** One decode agent and three prefill agents, each with an engine that holds the chunks k0 … k7. */
async function cluster(arenaPages = 8): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: arenaPages } });
  for (const agent of ['prefill-0', 'prefill-1', 'prefill-2']) {
    await made.agent(agent, 'prefill');
    await made.segment(agent, 'engine', keys);
  }
  return made;
}

const place = (chunk: number) => ({ segment: 'engine', offset: chunk * PAGE_BYTES, length: PAGE_BYTES });

async function consume(made: Cluster, request: string, epoch: string, wanted: readonly string[]): Promise<void> {
  const acquired = await made.call('decode-0', 'acquire', { request, epoch });
  expect(acquired.missing).toEqual([]);
  expect(made.pages(acquired)).toEqual(new Map(wanted.map((key) => [key, patternOf(key)])));
  await made.call('decode-0', 'release', { request, epoch });
}

/** Everything in flight has ended: no page is used, no source memory is held. */
async function nothingIsLeft(made: Cluster, total = 8): Promise<void> {
  await made.clock.advance(10_000);
  expect((await made.status('decode-0')).pages).toEqual({ ...empty, total, free: total });
  for (const agent of ['prefill-0', 'prefill-1', 'prefill-2']) {
    const { segments } = await made.status(agent);
    expect(segments.find(({ segment }) => segment === 'engine')?.chunksInUse).toBe(0);
  }
}

test('P2, T2: the writer is cancelled in its write → the joined request takes over', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0', 'k1']);
  await made.clock.until(() => writes.held > 0);
  const b = await made.put('prefill-1', 'b', ['k0', 'k2'], { source: [0, 2].map(place) });
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'a' });
  expect(await made.ended('b')).toMatchObject({ end: 'ready', chunks: 2, deduplicated: 0, joined: 0, bytes: 128 });
  // The late bytes of `a` land in its own page, which nobody else has.
  writes.release();
  expect(await made.ended('a')).toMatchObject({ end: 'cancelled' });
  await consume(made, 'b', b.epoch, ['k0', 'k2']);
  expect((await made.status('decode-0')).counters).toMatchObject({ chunks_handed_over: 1 });
  expect(made.terminals.filter(({ request }) => request === 'b')).toHaveLength(1);
  const named = made.released.filter(({ request }) => request === 'b').flatMap(({ positions }) => positions);
  expect(named.sort()).toEqual([0, 1]);
  await nothingIsLeft(made);
});

test('P2, T2: the writer is killed: who had joined writes, and is ready', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  const a = await made.put('prefill-0', 'a', ['k0', 'k1']);
  await made.clock.until(() => writes.held > 0);
  const b = await made.put('prefill-1', 'b', ['k0', 'k1']);
  await made.clock.advance(100);
  made.kill(a);
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
  expect(await made.ended('a')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
  await consume(made, 'b', b.epoch, ['k0', 'k1']);
  writes.release();
  await made.clock.advance(10_000);
  expect((await made.status('decode-0')).pages).toEqual(empty);
});

test('P2: from one to the next: the second writer fails too, the third takes its place', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => !from.startsWith('prefill-2'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-1', 'b', ['k0']);
  const c = await made.put('prefill-2', 'c', ['k0']);
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'a' });
  await made.clock.advance(100);
  expect(writes.held).toBe(2);
  expect(made.terminals.map(({ request }) => request)).toEqual(['a']);
  await made.call('prefill-1', 'cancel', { request: 'b' });
  expect(await made.ended('c')).toMatchObject({ end: 'ready' });
  await consume(made, 'c', c.epoch, ['k0']);
  writes.release();
  await nothingIsLeft(made);
});

test('P2, P5: no free page → the hand-over waits until the quarantined page is safe', async () => {
  const made = await cluster(2);
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0', 'k1']);
  await made.clock.until(() => writes.held > 0);
  const b = await made.put('prefill-1', 'b', ['k0', 'k1']);
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'a' });
  await made.clock.advance(1000);
  expect((await made.status('decode-0')).pages).toMatchObject({ free: 0, writing: 0, quarantined: 2 });
  expect((await made.status('decode-0')).quarantineAgeMs).toBeGreaterThanOrEqual(1000);
  expect(made.terminals.map(({ request }) => request)).toEqual(['a']);
  writes.release();
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
  await consume(made, 'b', b.epoch, ['k0', 'k1']);
  await nothingIsLeft(made, 2);
});

test('P2: a hand-over is lost, then overtakes the reply → nothing happens twice', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0', 'k1']);
  await made.clock.until(() => writes.held > 0);
  let lost = 0;
  made.network.fate = ({ subject, kind, to }) => {
    if (subject.endsWith('.allocate') && kind === 'reply' && to === 'prefill-1') return { copies: 1, delayMs: 400 };
    if (!subject.endsWith('.handover')) return { copies: 1, delayMs: 0 };
    lost += 1;
    return lost <= 2 ? { copies: 0, delayMs: 0 } : { copies: 2, delayMs: 0 };
  };
  const b = await made.put('prefill-1', 'b', ['k0', 'k3', 'k1'], { source: [0, 3, 1].map(place) });
  await made.clock.advance(10);
  await made.call('prefill-0', 'cancel', { request: 'a' });
  expect(await made.ended('b')).toMatchObject({ end: 'ready', bytes: 192 });
  expect(lost).toBeGreaterThan(2);
  await consume(made, 'b', b.epoch, ['k0', 'k3', 'k1']);
  writes.release();
  await nothingIsLeft(made);
});

test('P2: the joined request has a new remote key → it is asked again under that key', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  const b = await made.put('prefill-1', 'b', ['k0']);
  await made.clock.advance(10);
  // A write of another request breaks: prefill-1 asks for a new remote key while the hand-over is on its way.
  made.network.fate = ({ subject }) => ({ copies: 1, delayMs: subject.endsWith('.handover') ? 100 : 0 });
  await made.call('prefill-0', 'cancel', { request: 'a' });
  made.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
  await made.put('prefill-1', 'other', ['k5'], { first: 5 });
  expect(await made.ended('other')).toMatchObject({ end: 'failed' });
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
  expect((await made.status('decode-0')).counters).toMatchObject({ handovers_refused: 1 });
  await consume(made, 'b', b.epoch, ['k0']);
  writes.release();
  await nothingIsLeft(made);
});

test('P2: no request takes over → the joined request fails with the reason', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-1', 'b', ['k0']);
  await made.clock.advance(10);
  // What was joined is said to be there; the sender believes it and lets the bytes go.
  const joined = { v: 2, request: 'b', epoch: '0000000000000003', batch: 0 };
  made.client.publish('kvferry.v2.peer.prefill-1.0000000000000003.decode-0.joined', JSON.stringify(joined));
  await made.clock.advance(10);
  await made.call('prefill-0', 'cancel', { request: 'a' });
  expect(await made.ended('b')).toMatchObject({
    end: 'failed',
    reason: {
      code: 'writer_failed',
      message: expect.stringContaining('(cancelled_by_caller: request a was cancelled)'),
    },
  });
  writes.release();
  await nothingIsLeft(made);
});

test('P29: a part is asked for again after its write broke → its bytes may still land', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => !from.startsWith('prefill-2'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  const { epoch } = await made.put('prefill-1', 'b', ['k0']);
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'a' });
  await made.clock.until(() => writes.held === 2);
  made.fabrics.breakConnections((from) => from.startsWith('prefill-1'));
  expect(await made.ended('b')).toMatchObject({ end: 'failed' });
  const places = { positions: [0], pages: [1], generations: [1] };
  const message = { v: 2, request: 'b', epoch, batch: 0, part: 1, grant: 'g1', ...places };
  const subject = `kvferry.v2.peer.prefill-1.${epoch}.decode-0.handover`;
  const asked = made.client.request(subject, JSON.stringify(message), { timeoutMs: 1000 });
  expect(JSON.parse(await made.settle(asked))).toEqual({ v: 2, ok: true, state: 'failed', drained: false });
  writes.release();
  await nothingIsLeft(made);
});

test('P29, P5: a refusal that proves nothing → the handed-over page is quarantined too', async () => {
  const made = await cluster();
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => writes.held > 0);
  const { epoch } = await made.put('prefill-1', 'b', ['k0']);
  await made.clock.advance(100);
  // Another process answers for prefill-1, and no report that a write has drained arrives.
  made.network.fate = ({ subject, kind, to }) => {
    const isLost =
      (subject.endsWith('.handover') && kind === 'message' && to === 'prefill-1') || subject.endsWith('.drained');
    return { copies: isLost ? 0 : 1, delayMs: 0 };
  };
  made.client.subscribe(`kvferry.v2.peer.prefill-1.${epoch}.decode-0.handover`, ({ respond }) => {
    respond(JSON.stringify({ v: 2, ok: false, error: { code: 'unknown_request', message: 'no such request' } }));
  });
  await made.call('prefill-0', 'cancel', { request: 'a' });
  expect(await made.ended('b')).toMatchObject({ end: 'failed', reason: { code: 'writer_failed' } });
  expect((await made.status('decode-0')).pages).toMatchObject({ free: 6, quarantined: 2 });
  made.network.fate = () => ({ copies: 1, delayMs: 0 });
  writes.release();
  await nothingIsLeft(made);
});
