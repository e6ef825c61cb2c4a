/** P26: what breaks ends only what used it. */
import { expect, test } from 'vitest';
import { type Cluster, defaults, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];

async function cluster(arenaPages = 8): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: arenaPages } });
  for (const agent of ['prefill-0', 'prefill-1']) {
    await made.agent(agent, 'prefill');
    await made.segment(agent, 'engine', keys);
  }
  return made;
}

test('P26: a request ends late, undrained → it breaks only its own connection', async () => {
  const made = await cluster();
  const held = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'a', ['k0']);
  await made.clock.until(() => held.held === 1);
  let lost = 0;
  made.network.fate = ({ kind, subject }) => {
    const isFirstAbort = kind === 'message' && subject.endsWith('.abort') && lost === 0;
    if (isFirstAbort) lost += 1;
    return { copies: isFirstAbort ? 0 : 1, delayMs: 0 };
  };
  made.fabrics.breakConnections((from) => from.startsWith('prefill-0'));
  await made.clock.advance(50);
  await made.put('prefill-0', 'b', ['k1'], { first: 1 });
  await made.clock.advance(2000);
  held.release();
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
  expect(await made.ended('a')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
  expect(lost).toBe(1);
});

test('P26: a connection breaks → who waits for pages gets them under the next one', async () => {
  const made = await cluster(4);
  const x = await made.put('prefill-1', 'x', ['k6', 'k7'], { first: 6 });
  expect(await made.ended('x')).toMatchObject({ end: 'ready' });
  const held = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'w', ['k0', 'k1']);
  await made.clock.until(() => held.held > 0);
  await made.put('prefill-0', 'q', ['k2', 'k3', 'k4'], { first: 2 });
  await made.clock.advance(100);
  made.fabrics.breakConnections((from) => from.startsWith('prefill-0'));
  held.release();
  await made.clock.advance(2000);
  await made.call('decode-0', 'release', { request: 'x', epoch: x.epoch });
  expect(await made.ended('q')).toMatchObject({ end: 'ready', bytes: 192 });
  expect(await made.ended('w')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
});

test('P26: a connection broke while nothing was written → the next write is repeated', async () => {
  const made = await cluster();
  await made.put('prefill-0', 'a', ['k0']);
  expect(await made.ended('a')).toMatchObject({ end: 'ready' });
  made.fabrics.breakConnections();
  const { epoch } = await made.put('prefill-0', 'b', ['k1'], { first: 1 });
  expect(await made.ended('b')).toMatchObject({ end: 'ready', bytes: 64 });
  const acquired = await made.call('decode-0', 'acquire', { request: 'b', epoch });
  expect(made.pages(acquired)).toEqual(new Map([['k1', patternOf('k1')]]));
  expect((await made.status('prefill-0')).counters).toMatchObject({ writes_repeated: 1 });
});

test('P26: connections break before every write → after two repeats the request fails', async () => {
  const made = await cluster();
  const fault = { code: 'connection_lost', message: 'the path is gone' } as const;
  for (let count = 0; count < 3; count += 1) made.fabrics.failNextWrite(fault);
  await made.put('prefill-0', 'a', ['k0']);
  expect(await made.ended('a')).toMatchObject({ end: 'failed', reason: fault });
  expect((await made.status('prefill-0')).counters).toMatchObject({ writes_repeated: 2 });
  await made.put('prefill-0', 'b', ['k1'], { first: 1 });
  expect(await made.ended('b')).toMatchObject({ end: 'ready' });
});

/** From now on, the first such message takes 50 ms, and the connections of prefill-0 break when it is sent. */
function breakAt(made: Cluster, isIt: (subject: string, kind: string) => boolean): void {
  let isOver = false;
  made.network.fate = ({ kind, subject }) => {
    if (isOver || !isIt(subject, kind)) return { copies: 1, delayMs: 0 };
    isOver = true;
    made.fabrics.breakConnections((from) => from.startsWith('prefill-0'));
    return { copies: 1, delayMs: 50 };
  };
}

test('P26: a connection breaks before a batch is written → the next one writes it', async () => {
  const made = await cluster();
  const held = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'w', ['k0', 'k1']);
  await made.clock.until(() => held.held > 0);
  breakAt(made, (subject, kind) => kind === 'reply' && subject.endsWith('.allocate'));
  const { epoch } = await made.put('prefill-0', 'b', ['k2'], { first: 2 });
  await made.clock.advance(20);
  held.release();
  expect(await made.ended('b')).toMatchObject({ end: 'ready', bytes: 64, chunks: 1 });
  expect(await made.ended('w')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
  const acquired = await made.call('decode-0', 'acquire', { request: 'b', epoch });
  expect(made.pages(acquired)).toEqual(new Map([['k2', patternOf('k2')]]));
});

test('P26: a connection breaks before a batch that waited is written → it is ready', async () => {
  const made = await cluster(4);
  const x = await made.put('prefill-1', 'x', ['k6', 'k7'], { first: 6 });
  expect(await made.ended('x')).toMatchObject({ end: 'ready' });
  const held = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'w', ['k0']);
  await made.clock.until(() => held.held > 0);
  await made.put('prefill-0', 'q', ['k2', 'k3', 'k4'], { first: 2 });
  await made.clock.advance(100);
  breakAt(made, (subject) => subject.endsWith('.allocated'));
  await made.call('decode-0', 'release', { request: 'x', epoch: x.epoch });
  await made.clock.advance(20);
  held.release();
  expect(await made.ended('q')).toMatchObject({ end: 'ready', bytes: 192 });
  expect(await made.ended('w')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
});

test('P26: chunks wait behind the own write, the connection breaks → handed over again', async () => {
  const made = await cluster();
  const held = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-1'));
  await made.put('prefill-1', 'a', ['k0']);
  await made.clock.until(() => held.held > 0);
  // The heir has written its own chunk, and waits for the answer to its commit.
  made.network.fate = ({ kind, subject }) => ({
    copies: 1,
    delayMs: kind === 'reply' && subject.endsWith('.commit') ? 200 : 0,
  });
  const { epoch } = await made.put('prefill-0', 'b', ['k0', 'k1']);
  await made.clock.advance(50);
  await made.call('prefill-1', 'cancel', { request: 'a' });
  await made.clock.advance(50);
  made.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
  await made.put('prefill-0', 'c', ['k5'], { first: 5 });
  expect(await made.ended('b')).toMatchObject({ end: 'ready', bytes: 128 });
  expect(await made.ended('c')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
  const acquired = await made.call('decode-0', 'acquire', { request: 'b', epoch });
  expect(made.pages(acquired)).toEqual(new Map(['k0', 'k1'].map((key) => [key, patternOf(key)])));
  expect((await made.status('decode-0')).counters).toMatchObject({ chunks_handed_over: 2 });
  expect((await made.status('prefill-0')).counters).toMatchObject({ chunks_taken_over: 1 });
});
