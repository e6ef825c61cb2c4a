import { describe, expect, test } from 'vitest';
import type { ClusterView } from '../../../../src/observe/inspector/feed.js';
import { nothingHeard, takeIn } from '../../../../src/observe/inspector/page/data/live-state.js';
import { stepBack, stepForward } from '../../../../src/observe/inspector/page/data/steps.js';
import { guessAbout } from '../../../../src/observe/inspector/page/explain/about.js';
import {
  bytes,
  bytesPerSecond,
  clockTime,
  duration,
  perSecond,
  plural,
} from '../../../../src/observe/inspector/page/format.js';
import {
  AGENTS_REMEMBERED_MAX,
  ENTRIES_ASKED_MAX,
  RATE_POINTS_MAX,
} from '../../../../src/observe/inspector/page/limits.js';
import { scrollTo, windowOf } from '../../../../src/observe/inspector/page/parts/list-window.js';
import { formatRoute, home, momentOf, parseRoute } from '../../../../src/observe/inspector/page/routes.js';
import { agent, stored } from './support.js';

describe('addresses', () => {
  test('say everything that is looked at, and back', () => {
    const route = { view: 'requests', path: ['aa', 'r/1 ?'], query: { text: 'a&b=c', at: '12.5' } } as const;
    expect(parseRoute(formatRoute(route))).toEqual(route);
    expect(formatRoute(route)).toBe('#/requests/aa/r%2F1%20%3F?text=a%26b%3Dc&at=12.5');
  });

  test('leave out what is empty', () => {
    expect(formatRoute({ view: 'cluster', path: [], query: { text: '' } })).toBe('#/cluster');
  });

  test.each(['', '#', '#/nowhere', '#main', '#/nowhere/x?y=z'])('%j is the first view', (hash) => {
    expect(parseRoute(hash)).toEqual(home);
  });

  test('broken addresses are read as far as they go', () => {
    expect(parseRoute('#/requests/%zz')).toEqual({ view: 'requests', path: ['%zz'], query: {} });
    expect(momentOf(parseRoute('#/cluster?at=now'))).toBeUndefined();
    expect(momentOf(parseRoute('#/cluster?at=12.5'))).toBe(12.5);
  });
});

describe('numbers', () => {
  test.each([
    [0, '0 ms'],
    [0.123, '0.12 ms'],
    [12.9, '12 ms'],
    [1250, '1.2 s'],
    [59_990, '59.9 s'],
    [125_000, '2 m 05 s'],
    [11_520_000, '3 h 12 m'],
    [187_200_000, '2 d 04 h'],
    [-20, '−20 ms'],
  ])('%f ms are shown as %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  test('have units that fit', () => {
    expect([0, 999, 3 * 1024 ** 2, 1.5 * 1024 ** 3].map(bytes)).toEqual(['0 B', '999 B', '3 MiB', '1.50 GiB']);
    expect([0, 8.91e9, 123e6].map(bytesPerSecond)).toEqual(['0 B/s', '8.91 GB/s', '123 MB/s']);
    expect([0, 0.44, 12.34, 1204.4].map(perSecond)).toEqual(['0', '0.4', '12.3', '1,204']);
    expect([plural(1, 'page'), plural(2000, 'page')]).toEqual(['1 page', '2,000 pages']);
  });

  test('of times are those of the day, or since a clock began', () => {
    const date = new Date(2026, 1, 3, 14, 3, 9, 120);
    expect(clockTime(date.getTime())).toBe('14:03:09.120');
    expect(clockTime(date.getTime(), false)).toBe('14:03:09');
    expect(clockTime(72_340)).toBe('1:12.340');
  });
});

describe('lists', () => {
  test('draw what is seen and a little more, whatever their length', () => {
    expect(windowOf(100_000, 40, 40_000, 400)).toEqual({ first: 994, end: 1016 });
    expect(windowOf(3, 40, 0, 400)).toEqual({ first: 0, end: 3 });
    expect(windowOf(0, 40, 0, 400)).toEqual({ first: 0, end: 0 });
    // It was longer a moment ago.
    expect(windowOf(5, 40, 4000, 400)).toEqual({ first: 5, end: 5 });
  });

  test('are scrolled only as far as needed', () => {
    expect(scrollTo(5, 40, 0, 400)).toBe(0);
    expect(scrollTo(12, 40, 0, 400)).toBe(120);
    expect(scrollTo(2, 40, 200, 400)).toBe(80);
  });
});

describe('the feed', () => {
  const cluster = (bytesPerS: number, agents = 1): ClusterView => ({
    timeMs: bytesPerS,
    source: {} as ClusterView['source'],
    agents: Array.from({ length: agents }, (_, n) => agent(`p${n}`, 'prefill', [], bytesPerS)),
  });
  const taking = (...clusters: ClusterView[]) => ({ clusters, requests: new Map(), entries: [] });

  test('counts that came between two frames are all in the throughput; the last is shown', () => {
    const state = takeIn(nothingHeard, taking(cluster(1), cluster(2), cluster(3)), 77);
    expect(state.cluster?.timeMs).toBe(3);
    expect(state.heardAtMs).toBe(77);
    expect(state.rates).toEqual(new Map([['p0', [1, 2, 3]]]));
  });

  test('is bounded: points of an agent, and agents', () => {
    let state = nothingHeard;
    for (let n = 0; n < RATE_POINTS_MAX + 50; n += 1) state = takeIn(state, taking(cluster(n)), n);
    expect(state.rates.get('p0')).toHaveLength(RATE_POINTS_MAX);
    expect(state.rates.get('p0')?.at(-1)).toBe(RATE_POINTS_MAX + 49);
    expect(takeIn(state, taking(cluster(1, 1000)), 0).rates.size).toBe(AGENTS_REMEMBERED_MAX);
  });

  test('without news changes nothing', () => {
    expect(takeIn(nothingHeard, taking(), 1)).toBe(nothingHeard);
  });
});

describe('steps in time', () => {
  /** Answers as the server does: the newest of what lies between. */
  const server = (times: readonly number[]) => {
    const asked: object[] = [];
    const entries = async ({ fromMs = 0, toMs = Number.POSITIVE_INFINITY, limit = 1 }: Record<string, number>) => {
      asked.push({ fromMs, toMs });
      return times
        .filter((time) => time >= fromMs && time <= toMs)
        .slice(-limit)
        .map((time) => stored('d', time, 'joined', 1));
    };
    return { entries, asked };
  };

  test('lead to the entry before, and to the next, near or far', async () => {
    const { entries } = server([100, 100, 105, 9000]);
    expect(await stepBack(9000, entries)).toBe(105);
    expect(await stepBack(105, entries)).toBe(100);
    expect(await stepBack(100, entries)).toBeUndefined();
    expect(await stepForward(100, 10_000, entries)).toBe(105);
    expect(await stepForward(105, 10_000, entries)).toBe(9000);
    expect(await stepForward(9000, 10_000, entries)).toBeUndefined();
  });

  test('find the next one also where there are more than are answered', async () => {
    const crowd = Array.from({ length: ENTRIES_ASKED_MAX * 20 }, (_, n) => 100 + n / 1000);
    const { entries, asked } = server(crowd);
    expect(await stepForward(100, 10_000, entries)).toBeCloseTo(100.001, 6);
    expect(asked.length).toBeLessThanOrEqual(12);
  });
});

test.each([
  ['17', 'page'],
  ['00000000000000aa/r1/0', 'transfer'],
  ['model@8@0@hash@bf16', 'key'],
  ['chat-1', undefined],
])('%s is taken for a %s', (name, about) => {
  expect(guessAbout(name)).toBe(about);
});
