/** T29 over several ranks: each rank is put without a receiver, and routed at its own prefill agent. */
import { expect, test } from 'vitest';
import { names, Ranked, receivers } from './ranked.js';
import { useCluster } from './support.js';

const clusters = useCluster();
const TIMEOUT_MS = 8000;

function offer(ranked: Ranked, rank: number) {
  return ranked.put(rank, 'r1', { receiver: undefined, ranks: undefined, timeoutMs: TIMEOUT_MS });
}

function route(ranked: Ranked, rank: number) {
  const { sender, receiver } = ranked.rank(rank);
  const ranks = { rank, members: ranked.members };
  return ranked.made.call(sender, 'route', { request: 'r1', receiver, ranks });
}

test('P17, T29: every rank is routed → ready once, and every rank is there', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  for (const rank of [1, 0]) await offer(ranked, rank);
  for (const rank of [1, 0]) await route(ranked, rank);
  const { ranks } = await ranked.made.ended('r1');
  expect(ranks).toMatchObject(ranked.members.map((member, rank) => ({ rank, ...member })));
  expect(await ranked.published()).toEqual([['ready']]);
  expect(await ranked.recorded(names(ranked, 0, 1))).toEqual(['ready', 'ready', 'ready', 'ready']);
});

test('P17, T29: rank 0 is never routed → one end, announced by the lead', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  for (const rank of [0, 1]) await offer(ranked, rank);
  await ranked.made.clock.advance(1000);
  await route(ranked, 1);
  const published = await ranked.published();
  expect(published).toEqual([['expired', 'deadline_exceeded']]);
  expect(await ranked.freePages(receivers(ranked, 0, 1))).toEqual([8, 8]);
  expect((await ranked.made.status('prefill-0')).segments.map(({ chunksInUse }) => chunksInUse)).toEqual([0, 0]);
});

test('P17, T29: the lead dies before rank 0 is routed → failed, announced once', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  for (const rank of [0, 1]) await offer(ranked, rank);
  await route(ranked, 1);
  await ranked.made.clock.advance(100);
  ranked.made.kill(ranked.rank(0).decode);
  const published = await ranked.published();
  expect(published).toEqual([['failed', 'receiver_lost']]);
  expect((await ranked.made.status('prefill-0')).segments.map(({ chunksInUse }) => chunksInUse)).toEqual([0, 0]);
  expect(await ranked.recorded(['prefill-0'])).toEqual(['failed']);
});

test('P17, T29: rank 0 is routed after the lead asked about it → it follows the lead', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  for (const rank of [0, 1]) await offer(ranked, rank);
  await route(ranked, 1);
  await ranked.made.clock.advance(100);
  await ranked.made.call('decode-1', 'cancel', { request: 'r1' });
  await ranked.made.ended('r1');
  await route(ranked, 0);
  expect(await ranked.published()).toEqual([['cancelled', 'cancelled_by_caller']]);
  expect(await ranked.freePages(receivers(ranked, 0, 1))).toEqual([8, 8]);
});

test('T29: ranks in the put of an offer, or not of this agent → refused', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  const put = ranked.put(0, 'r1', { receiver: undefined });
  await expect(put).rejects.toMatchObject({ code: 'invalid_field', field: 'ranks' });
  await offer(ranked, 0);
  const wrong = { request: 'r1', receiver: 'decode-0', ranks: { rank: 1, members: ranked.members } };
  const routed = ranked.made.call('prefill-0', 'route', wrong);
  await expect(routed).rejects.toMatchObject({ code: 'invalid_field', field: 'ranks.members[1].sender' });
});
