/** P22: `ready` is announced only when every rank has just confirmed that it is there. */
import { expect, test } from 'vitest';
import { isKvferryError } from '../../src/protocol/errors.js';
import { names, Ranked } from './ranked.js';
import { defaults, useCluster } from './support.js';

const clusters = useCluster();
const TOTAL = defaults.arena.pages;

/** Rank 1 has every byte; the write of rank 0 is held back. */
async function almostReady(size = 2) {
  const made = clusters.create();
  const ranked = await Ranked.create(made, size);
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  for (let rank = size - 1; rank >= 0; rank -= 1) await ranked.put(rank);
  await made.clock.until(() => writes.held > 0);
  await made.clock.advance(100);
  return { made, ranked, writes };
}

test('P22: the receiver of a complete rank dies → never ready', async () => {
  const { made, ranked, writes } = await almostReady();
  made.kill(ranked.rank(1).decode);
  await made.clock.advance(10);
  writes.release();
  const event = await made.ended('r1', 5000);
  expect(event).toMatchObject({ end: 'failed', reason: { code: 'receiver_lost' } });
  expect(event.reason?.message).toMatch(/^rank 1, prefill-1 to decode-1: /);
  expect(await ranked.published('r1', 10_000)).toEqual([['failed', 'receiver_lost']]);
  expect(await ranked.freePages(['decode-0'])).toEqual([TOTAL]);
});

test('P22: a complete rank was restarted → never ready', async () => {
  const { made, ranked, writes } = await almostReady();
  made.kill(ranked.rank(1).decode);
  await made.agent('decode-1', 'decode');
  writes.release();
  expect(await made.ended('r1', 5000)).toMatchObject({ end: 'failed' });
  expect(await ranked.published('r1', 10_000)).toHaveLength(1);
});

test('P22: a rank gave its lead up while the lead was stopped → never ready', async () => {
  const { made, ranked, writes } = await almostReady(3);
  made.halt(ranked.rank(0).decode);
  await made.clock.advance(5000);
  const { requests } = await made.call('decode-1', 'status', { request: 'r1' });
  expect(requests).toMatchObject([{ end: 'failed', reason: { code: 'receiver_lost' } }]);
  made.goOn(ranked.rank(0).decode);
  writes.release();
  await made.clock.advance(20_000);
  expect(made.terminals.map(({ end }) => end)).not.toContain('ready');
  expect(await ranked.freePages(['decode-0', 'decode-1', 'decode-2'])).toEqual([TOTAL, TOTAL, TOTAL]);
});

test('P22: a rank refuses to confirm that it is complete → failed on all', async () => {
  const { made, ranked, writes } = await almostReady();
  made.network.fate = ({ subject, kind, to }) => {
    const isLost = subject.endsWith('.prepare') && kind === 'message' && to === 'decode-1';
    return { copies: isLost ? 0 : 1, delayMs: 0 };
  };
  made.client.subscribe(`kvferry.v2.peer.decode-1.${ranked.rank(1).decode.epoch}.*.prepare`, ({ respond }) => {
    respond(JSON.stringify({ v: 2, ok: false, error: { code: 'request_active', message: 'not complete' } }));
  });
  writes.release();
  expect(await ranked.published('r1', 10_000)).toEqual([['failed', 'request_active']]);
});

test('P22: questions and answers before ready are lost → ready, once', async () => {
  const { made, ranked, writes } = await almostReady(3);
  let seen = 0;
  made.network.fate = ({ subject }) => {
    if (!subject.endsWith('.prepare')) return { copies: 1, delayMs: 1 };
    seen += 1;
    return { copies: seen % 3, delayMs: 10 };
  };
  writes.release();
  expect(await ranked.published('r1', 10_000)).toEqual([['ready']]);
  expect(await ranked.recorded(names(ranked, 0, 1, 2))).toEqual(Array.from({ length: 6 }, () => 'ready'));
});

test('P22: a rank that has confirmed waits for a silent lead, and becomes ready', async () => {
  const { made, ranked, writes } = await almostReady();
  // After the confirmation, the rank hears nothing of its lead for longer than silence lasts.
  let confirmed = false;
  let cut = true;
  made.network.fate = ({ subject }) => {
    confirmed ||= subject.endsWith('.prepare');
    const isBetween = subject.endsWith('.verdict') || subject.endsWith('.report');
    return { copies: confirmed && cut && isBetween ? 0 : 1, delayMs: 1 };
  };
  writes.release();
  await made.clock.advance(8000);
  cut = false;
  expect(await ranked.published('r1', 5000)).toEqual([['ready']]);
  expect(await ranked.recorded(names(ranked, 0, 1))).toEqual(Array.from({ length: 4 }, () => 'ready'));
});

/** Both ranks have confirmed, and the lead dies before the other rank learns the end. */
async function leadDies() {
  const { made, ranked, writes } = await almostReady();
  made.network.fate = ({ subject }) => {
    if (subject.endsWith('.verdict')) made.kill(ranked.rank(0).decode);
    return { copies: subject.endsWith('.verdict') ? 0 : 1, delayMs: 1 };
  };
  writes.release();
  await made.clock.advance(100);
  return { made, ranked };
}

test('P22: the lead dies after the confirmation → the rank ends at its deadline', async () => {
  const { made, ranked } = await leadDies();
  await made.clock.advance(10_000);
  const rank = async () => (await made.call('decode-1', 'status', { request: 'r1' })).requests;
  expect(await rank()).toMatchObject([{ state: 'running.gathering' }]);
  await made.clock.advance(30_000);
  expect(await rank()).toMatchObject([{ end: 'failed', reason: { code: 'receiver_lost' } }]);
  expect(await ranked.freePages(['decode-1'])).toEqual([TOTAL]);
  expect(made.terminals).toEqual([]);
});

test('P22: the lead is restarted after the confirmation → failed at once, one event', async () => {
  const { made, ranked } = await leadDies();
  await made.agent('decode-0', 'decode');
  await made.clock.advance(10_000);
  expect(await ranked.recorded(['decode-1', 'prefill-0', 'prefill-1'])).toEqual(['failed', 'failed', 'failed']);
  expect(await ranked.freePages(['decode-1'])).toEqual([TOTAL]);
  expect(made.terminals.map(({ end }) => end)).toEqual(['failed']);
});

test('P17, P22: a rank that is put after the end → its prefill agent reports that end', async () => {
  const made = clusters.create();
  const ranked = await Ranked.create(made, 2);
  await ranked.put(0);
  await made.clock.advance(100);
  await made.call('prefill-0', 'cancel', { request: 'r1' });
  await made.ended('r1');
  const { epoch } = await ranked.put(1);
  await made.clock.advance(1000);
  const { requests } = await made.call('prefill-1', 'status', { request: 'r1' });
  expect(requests).toMatchObject([{ epoch, end: 'cancelled', reason: { code: 'cancelled_by_caller' } }]);
  expect(await made.call('prefill-1', 'cancel', { request: 'r1', epoch })).toMatchObject({ end: 'cancelled' });
  const again = await ranked.put(1).catch((error: unknown) => error);
  expect(isKvferryError(again, 'request_ended')).toBe(true);
  expect(made.terminals).toHaveLength(1);
});
