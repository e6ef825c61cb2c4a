/** P17, P12: what the lead of several ranks learns about the senders of its ranks. */
import { expect, test } from 'vitest';
import { Ranked } from './ranked.js';
import { useCluster } from './support.js';

const clusters = useCluster();

test('P17: a rank reports under another epoch → the earlier attempt fails at once', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  const { made, members } = ranked;
  await ranked.putFirst(1);
  await made.clock.advance(100);
  const from = { agent: 'decode-1', epoch: ranked.rank(1).decode.epoch };
  const counts = { chunks: 0, deduplicated: 0, joined: 0, bytes: 0, timeoutMs: 1000 };
  const about = { v: 2, request: 'r1', epoch: '00000000000000ee', ranks: { rank: 1, members }, from };
  const subject = `kvferry.v2.peer.decode-0.${ranked.rank(0).decode.epoch}.decode-1.report`;
  const report = JSON.stringify({ ...about, state: 'running', ...counts });
  await made.settle(made.client.request(subject, report, { timeoutMs: 500 }));
  await made.clock.advance(100);
  expect(made.terminals).toMatchObject([{ request: 'r1', end: 'failed', reason: { code: 'sender_lost' } }]);
});

test('P12: the next sender of rank 0 reports for a rank that appealed → one event', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  const { made, members } = ranked;
  await ranked.putFirst(0);
  await ranked.putFirst(1);
  await made.clock.advance(100);
  made.kill(ranked.rank(0).prefill);
  await made.ended('r1');
  const successor = await made.agent('prefill-0', 'prefill');
  const epoch = ranked.rank(1).prefill.epoch;
  const reason = { code: 'receiver_lost', message: 'the route to the lead is cut' };
  const body = { v: 2, request: 'r1', epoch, ranks: { rank: 1, members }, reason, timeoutMs: 1000 };
  const subject = `kvferry.v2.peer.prefill-0.${successor.epoch}.decode-1.appeal`;
  await made.settle(made.client.request(subject, JSON.stringify(body), { timeoutMs: 500 }));
  expect(await ranked.published()).toEqual([['failed', 'sender_lost']]);
});

test('P12, P17: the sender of rank 0 does not answer → failed, not cancelled', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  const { made } = ranked;
  await ranked.putFirst(1);
  await made.clock.advance(100);
  made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.confirm') ? 0 : 1, delayMs: 0 });
  await made.call('decode-0', 'cancel', { request: 'r1' });
  expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
  made.network.fate = () => ({ copies: 1, delayMs: 0 });
});

test('P12, P17: a cancel at the lead names another epoch → unknown_request', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  const { made } = ranked;
  await ranked.putFirst(0);
  const { epoch } = await ranked.putFirst(1);
  await made.clock.advance(100);
  const refused = { code: 'unknown_request' };
  const other = { request: 'r1', epoch: 'f'.repeat(16) };
  await expect(made.call('decode-0', 'cancel', other)).rejects.toMatchObject(refused);
  expect(made.terminals).toEqual([]);
  // The epoch of any rank names the request, while it is in progress and after its end.
  await made.call('decode-0', 'cancel', { request: 'r1', epoch });
  expect(await ranked.published()).toEqual([['cancelled', 'cancelled_by_caller']]);
  expect(await made.call('decode-0', 'cancel', { request: 'r1', epoch })).toMatchObject({ end: 'cancelled' });
  await expect(made.call('decode-0', 'cancel', other)).rejects.toMatchObject(refused);
});

test('P12, P17: a cancel at the lead names the earlier attempt → its end', async () => {
  const ranked = await Ranked.create(clusters.create(), 2);
  const { made } = ranked;
  const { epoch } = await ranked.putFirst(1);
  await made.clock.advance(100);
  made.kill(ranked.rank(1).prefill);
  await made.ended('r1');
  await made.agent('prefill-1', 'prefill');
  await made.segment('prefill-1', 'engine', ranked.rank(1).keys);
  const later = await ranked.putFirst(1);
  await made.clock.advance(100);
  expect(await made.call('decode-0', 'cancel', { request: 'r1', epoch })).toMatchObject({ end: 'failed' });
  await made.clock.advance(100);
  expect(made.terminals).toMatchObject([{ request: 'r1', end: 'failed', reason: { code: 'sender_lost' } }]);
  await made.call('decode-0', 'cancel', { request: 'r1', epoch: later.epoch });
  const ends = [
    ['failed', 'sender_lost'],
    ['cancelled', 'cancelled_by_caller'],
  ];
  expect(await ranked.published('r1', 5000)).toEqual(ends);
});
