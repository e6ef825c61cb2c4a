/** The counts of terminal events, however early the request ended. */
import { expect, test } from 'vitest';
import type { TerminalEvent } from '../../src/protocol/events.js';
import { Ranked } from './ranked.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const keys = Array.from({ length: 8 }, (_, index) => `k${index}`);
const others = keys.map((key) => `other-${key}`);

/** The arena has eight pages; `full` holds all of them. */
async function fullCluster(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  await made.put('prefill-0', 'full', keys);
  await made.ended('full');
  return made;
}

function countsOf({ end, chunks, deduplicated, joined, bytes }: TerminalEvent): object {
  return { end, chunks, deduplicated, joined, bytes };
}

const none = { deduplicated: 0, joined: 0, bytes: 0 };

test('it waits for pages until its deadline → the event counts all its chunks', async () => {
  const made = await fullCluster();
  await made.put('prefill-0', 'r1', others.slice(0, 5), { timeoutMs: 2000 });
  expect(countsOf(await made.ended('r1'))).toEqual({ end: 'expired', chunks: 5, ...none });
});

test('it waits for pages and is cancelled → the event counts all its chunks', async () => {
  const made = await fullCluster();
  await made.put('prefill-0', 'r1', others.slice(0, 5));
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'r1' });
  expect(countsOf(await made.ended('r1'))).toEqual({ end: 'cancelled', chunks: 5, ...none });
});

test('cancelled before its second batch comes → the chunks of both are counted', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  await made.put('prefill-0', 'r1', keys.slice(0, 2), { last: false, totalChunks: 6 });
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'r1' });
  expect(countsOf(await made.ended('r1'))).toEqual({
    end: 'cancelled',
    chunks: 6,
    deduplicated: 0,
    joined: 0,
    bytes: 128,
  });
});

test.each([
  ['before its message has arrived', 0],
  ['while it waits for pages', 100],
])('the receiver dies %s → the sender counts all its chunks', async (_, afterMs) => {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  await made.put('prefill-0', 'full', keys);
  await made.ended('full');
  await made.put('prefill-0', 'r1', others.slice(0, 2), { last: false, totalChunks: 5 });
  await made.clock.advance(afterMs);
  made.kill(decode);
  expect(countsOf(await made.ended('r1'))).toEqual({ end: 'failed', chunks: 5, ...none });
});

test('no provider connects → the sender counts all its chunks', async () => {
  const made = await fullCluster();
  await made.agent('prefill-1', 'prefill', { providers: ['verbs'] });
  await made.segment('prefill-1', 'engine', keys);
  await made.put('prefill-1', 'r1', keys.slice(0, 3));
  expect(countsOf(await made.ended('r1'))).toEqual({ end: 'failed', chunks: 3, ...none });
});

test('two ranks, one with a batch to come → the event counts the chunks of both', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  await ranked.put(0);
  await ranked.putFirst(1);
  await ranked.made.clock.advance(100);
  await ranked.made.call('prefill-1', 'cancel', { request: 'r1' });
  expect(await ranked.made.ended('r1')).toMatchObject({ end: 'cancelled', chunks: 6 });
});
