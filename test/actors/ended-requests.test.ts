/** What an agent answers about requests that are ready or have ended. */
import { expect, test } from 'vitest';
import { type Cluster, type defaults, useCluster } from './support.js';

const clusters = useCluster();

async function pair(options: Partial<typeof defaults> = {}): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', options);
  await made.agent('prefill-0', 'prefill', options);
  await made.segment('prefill-0', 'engine', ['k0', 'k1']);
  return made;
}

/** Milliseconds until something ends the present state of the one actor of the request. */
async function endsInMs(made: Cluster, agent: string, request: string): Promise<(number | undefined)[]> {
  const { actors } = await made.call(agent, 'inspect', { request });
  return actors.map(({ waiting }) => waiting?.endsInMs);
}

test('a ready request shows the end of its leases as its deadline', async () => {
  const made = await pair();
  await made.put('prefill-0', 'r1', ['k0'], { timeoutMs: 20_000 });
  await made.ended('r1');
  await made.clock.advance(31_000);
  expect(await endsInMs(made, 'decode-0', 'r1')).toEqual([expect.closeTo(29_000, -2)]);
  const { explanations } = await made.call('decode-0', 'explain', { request: 'r1' });
  expect(explanations).toMatchObject([
    {
      state: 'ready',
      waiting: { gate: 'engine', endsInMs: expect.closeTo(29_000, -2) },
      holders: [{ request: 'r1', endsInMs: expect.closeTo(29_000, -2) }],
    },
  ]);
});

test('an engine that renews its leases moves the deadline of a ready request', async () => {
  const made = await pair();
  const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
  await made.ended('r1');
  await made.clock.advance(31_000);
  await made.call('decode-0', 'acquire', { request: 'r1', epoch });
  expect(await endsInMs(made, 'decode-0', 'r1')).toEqual([expect.closeTo(60_000, -2)]);
});

test('a request that waits for its write to drain shows the drain timeout', async () => {
  const made = await pair();
  const writes = made.fabrics.holdWrites();
  await made.put('prefill-0', 'r1', ['k0'], { timeoutMs: 1000 });
  await made.ended('r1');
  await made.clock.advance(1000);
  const { actors } = await made.call('prefill-0', 'inspect', { request: 'r1' });
  expect(actors.map(({ machine, state, waiting }) => [machine, state, waiting?.endsInMs])).toEqual([
    ['request', 'aborting.asking', undefined],
    ['transfer', 'draining', expect.closeTo(4000, -2)],
  ]);
  writes.release();
});

test('a second cancel at the receiver gets the end, with and without the epoch', async () => {
  const made = await pair();
  const { epoch } = await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
  await made.clock.advance(100);
  const answer = { v: 2, ok: true, end: 'cancelled' };
  expect(await made.call('decode-0', 'cancel', { request: 'r1' })).toEqual(answer);
  await made.clock.advance(1000);
  expect(await made.call('decode-0', 'cancel', { request: 'r1' })).toEqual(answer);
  expect(await made.call('decode-0', 'cancel', { request: 'r1', epoch })).toEqual(answer);
  const other = made.call('decode-0', 'cancel', { request: 'r1', epoch: 'f'.repeat(16) });
  await expect(other).rejects.toMatchObject({ code: 'unknown_request' });
});

test('a cancel without an epoch gets the newest end that the receiver remembers', async () => {
  const made = await pair();
  await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2, timeoutMs: 100 });
  await made.ended('r1');
  await made.agent('prefill-1', 'prefill');
  await made.segment('prefill-1', 'engine', ['k0', 'k1']);
  await made.put('prefill-1', 'r1', ['k0'], { last: false, totalChunks: 2 });
  await made.clock.advance(100);
  await made.call('decode-0', 'cancel', { request: 'r1' });
  await made.clock.advance(1000);
  expect(await made.call('decode-0', 'cancel', { request: 'r1' })).toMatchObject({ end: 'cancelled' });
});

test('status of an ended request shows its end, and no counts', async () => {
  const made = await pair();
  const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
  await made.ended('r1');
  await made.call('decode-0', 'release', { request: 'r1', epoch });
  await made.clock.advance(1000);
  for (const [agent, side] of [
    ['prefill-0', 'sender'],
    ['decode-0', 'receiver'],
  ] as const) {
    const { requests } = await made.call(agent, 'status', { request: 'r1' });
    expect(requests).toEqual([{ request: 'r1', epoch, side, state: 'ended', end: 'ready', ageMs: expect.any(Number) }]);
  }
});
