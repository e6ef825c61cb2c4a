/** P17: a request over several ranks is ready when all are, and ends on all when one does not succeed, once. */
import { describe, expect, test, vi } from 'vitest';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import { GroupActor } from '../../src/actors/ranks/group-actor.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import { names, Ranked, receivers } from './ranked.js';
import { defaults, PAGE_BYTES, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const TOTAL = defaults.arena.pages;
const create = (size: number, options: Partial<AgentOptions> = {}) => Ranked.create(clusters.create(), size, options);

const four = (what: unknown) => Array.from({ length: 4 }, () => what);
const eight = (what: unknown) => [...four(what), ...four(what)];

describe('ready', () => {
  test('P17: a request over four ranks is ready when all four are, and is announced once', async () => {
    const ranked = await create(4);
    const { made } = ranked;
    const epochs: string[] = [];
    for (const rank of [3, 1, 0]) epochs[rank] = (await ranked.put(rank)).epoch;
    epochs[2] = (await ranked.putFirst(2)).epoch;
    await made.clock.advance(5000);
    expect(made.terminals).toEqual([]);
    const [lead] = (await made.status('decode-0')).requests;
    expect(lead).toMatchObject({ state: 'running.gathering', rank: 0, missingRanks: [2] });
    const [other] = (await made.status('decode-1')).requests;
    expect(other).toMatchObject({ state: 'running.gathering', rank: 1 });
    expect(other).not.toHaveProperty('missingRanks');

    await ranked.putLast(2);
    const event = await made.ended('r1');
    expect(event).toMatchObject({
      end: 'ready',
      epoch: epochs[0],
      sender: 'prefill-0',
      receiver: 'decode-0',
      chunks: 12,
      deduplicated: 0,
      bytes: 12 * PAGE_BYTES,
      ranks: ranked.members.map((member, rank) => ({ rank, epoch: epochs[rank], ...member })),
    });
    expect(await ranked.published('r1', 5000)).toEqual([['ready']]);
    for (const { rank, receiver, keys } of ranked.ranks) {
      const acquired = await made.call(receiver, 'acquire', { request: 'r1', epoch: epochs[rank] as string });
      expect(made.pages(acquired)).toEqual(new Map(keys.map((key) => [key, patternOf(key)])));
      await made.call(receiver, 'release', { request: 'r1', epoch: epochs[rank] as string });
    }
    expect(await ranked.freePages(receivers(ranked, 0, 1, 2, 3))).toEqual(four(TOTAL));
    expect(await ranked.recorded(names(ranked, 0, 1, 2, 3))).toEqual(eight('ready'));
  });

  test('P17: ready is announced → every rank can be acquired at that very moment', async () => {
    const ranked = await create(3);
    const { made } = ranked;
    // Words to the ranks are slow, and the first of them are lost.
    let lost = 0;
    made.network.fate = ({ subject }) => {
      if (!subject.endsWith('.verdict')) return { copies: 1, delayMs: 1 };
      lost += 1;
      return { copies: lost <= 2 ? 0 : 1, delayMs: 40 };
    };
    const epochs: string[] = [];
    const acquired: unknown[] = [];
    const hearing = new Promise<void>((resolve) => {
      made.client.subscribe('kvferry.v2.event.*.*.ready', () => {
        const asking = ranked.ranks.map(async ({ rank, receiver, keys }) => {
          const body = { v: 2, request: 'r1', epoch: epochs[rank] };
          const subject = `kvferry.v2.agent.${receiver}.default.acquire`;
          const answer = JSON.parse(await made.client.request(subject, JSON.stringify(body), { timeoutMs: 5000 }));
          acquired.push(answer.keys?.length === keys.length ? 'all' : answer);
        });
        void Promise.all(asking).then(() => resolve());
      });
    });
    for (const rank of [0, 1, 2]) epochs[rank] = (await ranked.put(rank)).epoch;
    await made.settle(hearing);
    expect(acquired).toEqual(['all', 'all', 'all']);
  });

  test('P17: two ranks may have the same receiver', async () => {
    const made = clusters.create();
    await made.agent('decode-0', 'decode');
    const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: 'decode-0' }));
    for (const rank of [0, 1]) {
      await made.agent(`prefill-${rank}`, 'prefill');
      await made.segment(`prefill-${rank}`, 'engine', [`k${rank}`]);
      await made.put(`prefill-${rank}`, 'r1', [`k${rank}`], { ranks: { rank, members } });
    }
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', chunks: 2 });
  });

  test('P17: reports and words are lost, repeated and late: one event all the same', async () => {
    const ranked = await create(3);
    const { made } = ranked;
    let seen = 0;
    made.network.fate = ({ subject }) => {
      if (!/\.(report|verdict)$/.test(subject)) return { copies: 1, delayMs: 1 };
      seen += 1;
      return { copies: [0, 2, 1][seen % 3] as number, delayMs: (seen % 5) * 100 };
    };
    for (const rank of [0, 1, 2]) await ranked.put(rank);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    expect(await ranked.published('r1', 20_000)).toEqual([['ready']]);
  });
});

describe('one rank does not succeed', () => {
  test('T13, P17: one of four ranks fails → the request ends on all, with one event', async () => {
    const ranked = await create(4);
    const { made } = ranked;
    for (const rank of [0, 1, 3]) await ranked.put(rank);
    await ranked.putFirst(2);
    await made.clock.advance(100);
    made.fabrics.failNextWrite({ code: 'fabric_error', message: 'the cable', drained: true });
    await ranked.putLast(2);
    const event = await made.ended('r1');
    expect(event).toMatchObject({ end: 'failed', reason: { code: 'fabric_error' } });
    expect(event.reason?.message).toMatch(/^rank 2, prefill-2 to decode-2: /);
    // No rank waits for its deadline.
    expect(await ranked.freePages(receivers(ranked, 0, 1, 2, 3))).toEqual(four(TOTAL));
    expect(await ranked.published()).toEqual([['failed', 'fabric_error']]);
    expect(await ranked.recorded(names(ranked, 0, 1, 2, 3))).toEqual(eight('failed'));
  });

  test.each([
    ['the lead, at its receiver', 'decode-0'],
    ['the lead, at its sender', 'prefill-0'],
    ['another, at its receiver', 'decode-1'],
    ['another, at its sender', 'prefill-1'],
  ])('P17: cancelled on one rank, it is cancelled on all: %s', async (_, agent) => {
    const ranked = await create(2);
    await ranked.put(0);
    await ranked.putFirst(1);
    await ranked.made.clock.advance(100);
    await ranked.made.call(agent, 'cancel', { request: 'r1' });
    await ranked.made.ended('r1');
    expect(await ranked.freePages(receivers(ranked, 0, 1))).toEqual([TOTAL, TOTAL]);
    expect(await ranked.published()).toEqual([['cancelled', 'cancelled_by_caller']]);
    expect(await ranked.recorded(names(ranked, 0, 1))).toEqual(four('cancelled'));
  });

  test('P17: cancelled at the lead before its own rank comes → that rank gets the end', async () => {
    const ranked = await create(2);
    await ranked.put(1);
    await ranked.made.clock.advance(100);
    await ranked.made.call('decode-0', 'cancel', { request: 'r1' });
    expect(await ranked.made.ended('r1')).toMatchObject({ end: 'cancelled', ranks: [{ rank: 1 }] });
    await ranked.put(0);
    expect(await ranked.published()).toEqual([['cancelled', 'cancelled_by_caller']]);
    expect(await ranked.recorded(names(ranked, 0, 1))).toEqual(four('cancelled'));
    expect(await ranked.freePages(receivers(ranked, 0, 1))).toEqual([TOTAL, TOTAL]);
  });

  test('P6, P17: a rank that comes after the end is not admitted, and announces nothing', async () => {
    const ranked = await create(3);
    await ranked.put(0);
    await ranked.putFirst(1);
    await ranked.made.clock.advance(100);
    await ranked.made.call('prefill-1', 'cancel', { request: 'r1' });
    await ranked.made.ended('r1');
    await ranked.put(2);
    expect(await ranked.published()).toEqual([['cancelled', 'cancelled_by_caller']]);
    expect(await ranked.recorded(names(ranked, 2))).toEqual(['cancelled', 'cancelled']);
    expect(await ranked.freePages(['decode-2'])).toEqual([TOTAL]);
  });

  test('P17: one rank never comes: the others expire, once', async () => {
    const ranked = await create(3);
    for (const rank of [0, 2]) await ranked.put(rank, 'r1', { timeoutMs: 5000 });
    expect(await ranked.published()).toEqual([['expired', 'deadline_exceeded']]);
    expect(await ranked.recorded(names(ranked, 0, 2))).toEqual(four('expired'));
    expect(await ranked.freePages(receivers(ranked, 0, 2))).toEqual([TOTAL, TOTAL]);
  });

  test('P17: rank 0 never comes: its agent, which leads, announces the end all the same', async () => {
    const ranked = await create(2);
    await ranked.put(1, 'r1', { timeoutMs: 5000 });
    expect(await ranked.published()).toEqual([['expired', 'deadline_exceeded']]);
    expect(await ranked.recorded(names(ranked, 1))).toEqual(['expired', 'expired']);
  });

  test('P17, S15: a rank that can never fit ends all', async () => {
    const ranked = await create(2);
    await ranked.put(0);
    const { sender, receiver } = ranked.rank(1);
    const many = Array.from({ length: TOTAL + 1 }, (_, chunk) => `big${chunk}`);
    await ranked.made.segment(sender, 'large', many);
    const source = [{ segment: 'large', offset: 0, length: PAGE_BYTES, count: many.length }];
    const more = { receiver, source, ranks: { rank: 1, members: ranked.members } };
    await ranked.made.put(sender, 'r1', many, more);
    expect(await ranked.published()).toEqual([['failed', 'request_too_large']]);
    expect(await ranked.recorded(names(ranked, 0, 1))).toEqual(four('failed'));
  });
});

describe('an agent dies', () => {
  test('P14, P17: the sender of a rank that is not complete', async () => {
    const ranked = await create(3);
    for (const rank of [0, 2]) await ranked.put(rank);
    await ranked.putFirst(1);
    await ranked.made.clock.advance(100);
    ranked.made.kill(ranked.rank(1).prefill);
    expect(await ranked.published('r1', 10_000)).toEqual([['failed', 'sender_lost']]);
    expect(await ranked.freePages(receivers(ranked, 0, 1, 2))).toEqual([TOTAL, TOTAL, TOTAL]);
    expect(await ranked.recorded([...names(ranked, 0, 2), 'decode-1'])).toEqual([...four('failed'), 'failed']);
  });

  test('P14, P17: the receiver of a rank: its sender reports it', async () => {
    const ranked = await create(3);
    for (const rank of [0, 2]) await ranked.put(rank);
    await ranked.putFirst(1);
    await ranked.made.clock.advance(100);
    ranked.made.kill(ranked.rank(1).decode);
    expect(await ranked.published('r1', 10_000)).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.freePages(receivers(ranked, 0, 2))).toEqual([TOTAL, TOTAL]);
    expect(await ranked.recorded([...names(ranked, 0, 2), 'prefill-1'])).toEqual([...four('failed'), 'failed']);
  });

  test.each([false, true])(
    'P14, P17: the agent that leads: the sender of rank 0 announces (restarted: %s)',
    async (restarted) => {
      const ranked = await create(3);
      for (const rank of [0, 1]) await ranked.put(rank);
      await ranked.putFirst(2);
      await ranked.made.clock.advance(100);
      ranked.made.kill(ranked.rank(0).decode);
      if (restarted) await ranked.made.agent('decode-0', 'decode');
      await ranked.made.clock.advance(10_000);
      expect(await ranked.freePages(receivers(ranked, 1, 2))).toEqual([TOTAL, TOTAL]);
      expect(await ranked.published()).toEqual([['failed', 'receiver_lost']]);
      expect(await ranked.recorded([...names(ranked, 1, 2), 'prefill-0'])).toEqual([...four('failed'), 'failed']);
    },
  );

  test('P12, P17: a rank comes to a restarted lead that does not know it → one event', async () => {
    const ranked = await create(2);
    await ranked.putFirst(0);
    await ranked.made.clock.advance(100);
    ranked.made.kill(ranked.rank(0).decode);
    await ranked.made.agent('decode-0', 'decode');
    await ranked.made.clock.advance(10_000);
    await ranked.put(1, 'r1', { timeoutMs: 5000 });
    expect(await ranked.published()).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.recorded(names(ranked, 1))).toEqual(['failed', 'failed']);
  });

  test('P14, P17: the sender of a failed rank restarts and puts again → it stays failed', async () => {
    const ranked = await create(2);
    await ranked.put(0);
    await ranked.putFirst(1);
    await ranked.made.clock.advance(100);
    ranked.made.kill(ranked.rank(1).prefill);
    await ranked.made.agent('prefill-1', 'prefill');
    await ranked.made.segment('prefill-1', 'engine', ranked.rank(1).keys);
    await ranked.put(1, 'r1', { timeoutMs: 10_000 });
    const again = await ranked.put(0).catch((error: unknown) => error);
    expect(isKvferryError(again, 'request_ended')).toBe(true);
    expect(await ranked.published()).toEqual([['failed', 'sender_lost']]);
    expect(await ranked.recorded(['prefill-1'])).toEqual(['failed']);
    expect(await ranked.freePages(receivers(ranked, 0, 1))).toEqual([TOTAL, TOTAL]);
  });
});

test('P17: all senders restart and put again → another attempt under the same id', async () => {
  const ranked = await create(2);
  const { made } = ranked;
  await ranked.putFirst(0);
  await ranked.putFirst(1);
  await made.clock.advance(100);
  for (const { rank, sender, prefill, keys } of [...ranked.ranks]) {
    made.kill(prefill);
    ranked.ranks[rank] = { ...ranked.rank(rank), prefill: await made.agent(sender, 'prefill') };
    await made.segment(sender, 'engine', keys);
  }
  for (const rank of [0, 1]) await ranked.put(rank);
  expect(await ranked.published('r1', 10_000)).toEqual([['failed', 'sender_lost'], ['ready']]);
});

test('P17: the group of ranks throws → the request fails on all, once, with the reason', async () => {
  const ranked = await create(3);
  const broken = vi.spyOn(GroupActor.prototype, 'tellRanks').mockImplementationOnce(() => {
    throw new TypeError('a bug');
  });
  for (const rank of [0, 1, 2]) await ranked.put(rank);
  expect(await ranked.published('r1', 10_000)).toEqual([['failed', 'internal']]);
  broken.mockRestore();
  expect(await ranked.recorded(names(ranked, 0, 1, 2))).toEqual([...four('failed'), 'failed', 'failed']);
  expect(await ranked.freePages(receivers(ranked, 0, 1, 2))).toEqual([TOTAL, TOTAL, TOTAL]);
  expect((await ranked.made.status('decode-0')).counters).toMatchObject({ actors_crashed: 1 });
});

describe('an agent is away', () => {
  test("P12, P17: the lead is stopped for long → the end that rank 0's sender announced", async () => {
    const ranked = await create(3);
    for (const rank of [0, 1]) await ranked.put(rank);
    await ranked.putFirst(2);
    await ranked.made.clock.advance(100);
    await ranked.made.freeze(ranked.rank(0).decode, 10_000);
    await ranked.putLast(2).catch((error: unknown) => expect(isKvferryError(error, 'request_ended')).toBe(true));
    expect(await ranked.published()).toEqual([['failed', 'receiver_lost']]);
    expect(await ranked.recorded(names(ranked, 0, 1, 2))).toEqual([...four('failed'), 'failed', 'failed']);
    expect(await ranked.freePages(receivers(ranked, 0, 1, 2))).toEqual([TOTAL, TOTAL, TOTAL]);
  });

  test('P12, P17: the lead is stopped for a moment → every rank reports again, ready', async () => {
    const ranked = await create(3);
    for (const rank of [0, 1]) await ranked.put(rank);
    await ranked.putFirst(2);
    await ranked.made.clock.advance(100);
    await ranked.made.freeze(ranked.rank(0).decode, 2000);
    await ranked.putLast(2);
    expect(await ranked.published('r1', 10_000)).toEqual([['ready']]);
    expect(await ranked.recorded(names(ranked, 0, 1, 2))).toEqual([...four('ready'), 'ready', 'ready']);
  });

  test('P12, P17: a complete rank is cut off while the others end → it learns the end', async () => {
    const ranked = await create(2);
    await ranked.put(1);
    await ranked.putFirst(0);
    await ranked.made.clock.advance(100);
    const away = ranked.made.cutOff(ranked.rank(1).decode, 2000);
    await ranked.putLast(0);
    await away;
    expect(await ranked.published('r1', 10_000)).toEqual([['ready']]);
    expect(await ranked.recorded(names(ranked, 0, 1))).toEqual(four('ready'));
  });
});

describe('bad input', () => {
  const rejected = async (put: Promise<unknown>) => {
    const error = await put.catch((reason: unknown) => reason);
    return isKvferryError(error) ? [error.code, error.field] : error;
  };

  test('S6, P17: ranks that do not fit are refused', async () => {
    const ranked = await create(2);
    const { members } = ranked;
    const put = (ranks: { rank: number; members: { sender: string; receiver: string }[] }) =>
      rejected(ranked.put(0, 'r1', { ranks }));
    expect(await put({ rank: 2, members })).toEqual(['invalid_field', 'ranks.rank']);
    expect(await put({ rank: 1, members })).toEqual(['invalid_field', 'ranks.members[1].sender']);
    const elsewhere = [{ sender: 'prefill-0', receiver: 'decode-1' }];
    expect(await put({ rank: 0, members: elsewhere })).toEqual(['invalid_field', 'ranks.members[0].receiver']);
    const twice = [...members, { sender: 'prefill-0', receiver: 'decode-1' }];
    expect(await put({ rank: 0, members: twice })).toEqual(['invalid_field', 'ranks.members[2].sender']);
    await ranked.putFirst(0);
    expect(await rejected(ranked.putLast(0, { ranks: { rank: 0, members: members.slice(0, 1) } }))).toEqual([
      'invalid_field',
      'ranks',
    ]);
  });

  test('S6, P17: ranks that name each other differently end, and say so', async () => {
    const ranked = await create(2);
    await ranked.put(0, 'r1', { timeoutMs: 5000 });
    const others = [...ranked.members, { sender: 'prefill-9', receiver: 'decode-9' }];
    await ranked.put(1, 'r1', { ranks: { rank: 1, members: others } });
    await ranked.made.clock.advance(1000);
    const [row] = (await ranked.made.call('decode-1', 'status', { request: 'r1' })).requests;
    expect(row).toMatchObject({ end: 'failed', reason: { code: 'invalid_field' } });
    expect(await ranked.published()).toEqual([['failed', 'invalid_field']]);
  });
});
