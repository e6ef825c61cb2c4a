import { describe, expect, test } from 'vitest';
import { TIMELINE_ROWS_MAX } from '../../../../src/observe/inspector/page/limits.js';
import { exchangesOf, OUTSIDE } from '../../../../src/observe/inspector/page/requests/exchanges.js';
import { layOutTimeline, placeOf, ticksOf } from '../../../../src/observe/inspector/page/requests/timeline.js';
import { heard, request, sent, state, stored, transfer } from './support.js';

/** One request that is allocated, written and committed, and whose leases are released much later. */
const life = [
  state('p', 100, 'request', 'running.open'),
  transfer('p', 100, 'allocating'),
  heard('p', 100.2, 'put', { batch: 0, tookMs: 0.2 }),
  state('d', 101, 'ingest', 'running.receiving'),
  stored('d', 101, 'allocated', 2),
  heard('d', 101.1, 'allocate', { batch: 0, peer: 'p', tookMs: 0.1 }),
  sent('p', 102, 'allocate', { batch: 0, peer: 'd', tookMs: 2 }),
  transfer('p', 102, 'writing'),
  transfer('p', 107, 'committing'),
  heard('d', 108, 'commit', { batch: 0, peer: 'p', tookMs: 0.1 }),
  state('d', 108, 'ingest', 'ready'),
  sent('d', 108, 'event.ready'),
  sent('p', 109, 'commit', { batch: 0, peer: 'd', tookMs: 2 }),
  transfer('p', 109, 'committed', 0, true),
  state('p', 110, 'request', 'ended', { done: true }),
  stored('d', 1100, 'released', 2),
  state('d', 1100, 'ingest', 'released', { done: true }),
];
const ended = request({ end: 'ready', endedMs: 110, changedMs: 1100, states: {} });

describe('messages', () => {
  test('that both sides saw are one, as long as its sender waited', () => {
    expect(exchangesOf(life)).toEqual([
      { from: 'p', to: 'd', operation: 'allocate', batch: 0, startMs: 100, endMs: 102, tookMs: 2, answeredInMs: 0.1 },
      { from: OUTSIDE, to: 'p', operation: 'put', batch: 0, startMs: 100, endMs: 100.2, tookMs: expect.closeTo(0.2) },
      { from: 'p', to: 'd', operation: 'commit', batch: 0, startMs: 107, endMs: 109, tookMs: 2, answeredInMs: 0.1 },
      { from: 'd', to: OUTSIDE, operation: 'event.ready', startMs: 108, endMs: 108 },
    ]);
  });

  test('that are repeated are as many as were sent', () => {
    const twice = [
      heard('d', 101, 'allocate', { batch: 0, peer: 'p' }),
      sent('p', 102, 'allocate', { batch: 0, peer: 'd', tookMs: 2, code: 'deadline_exceeded' }),
      heard('d', 104, 'allocate', { batch: 0, peer: 'p' }),
      sent('p', 105, 'allocate', { batch: 0, peer: 'd', tookMs: 2 }),
    ];
    expect(exchangesOf(twice).map(({ startMs, code }) => [startMs, code])).toEqual([
      [100, 'deadline_exceeded'],
      [103, undefined],
    ]);
  });

  test('that only their receiver tells of are shown as well', () => {
    expect(exchangesOf([heard('d', 101, 'allocate', { batch: 0, peer: 'p', tookMs: 1 })])).toMatchObject([
      { from: 'p', to: 'd', startMs: 100, endMs: 101 },
    ]);
  });

  test('of another batch are others', () => {
    const entries = [
      heard('d', 101, 'commit', { batch: 1, peer: 'p' }),
      sent('p', 102, 'commit', { batch: 0, peer: 'd' }),
    ];
    expect(exchangesOf(entries)).toHaveLength(2);
  });
});

describe('the timeline', () => {
  const rows = (title: string, timeline = layOutTimeline({ request: ended, entries: life }, 2000, 'until its end')) =>
    timeline.groups.find((group) => group.title === title)?.rows ?? [];

  test('has the prefill agent, NATS and the decode agent, each with its rows', () => {
    const { groups } = layOutTimeline({ request: ended, entries: life }, 2000, 'until its end');
    expect(groups.map(({ title, rows: each }) => [title, each.map(({ label }) => label)])).toEqual([
      ['p', ['request', 'batch 0']],
      ['NATS', ['messages', '']],
      ['d', ['ingest', 'store']],
    ]);
  });

  test('shows each state for as long as it was so', () => {
    expect(rows('p')[1]?.bars.map(({ label, fromMs, toMs, tone }) => [label, fromMs, toMs, tone])).toEqual([
      ['allocating', 100, 102, 'wait'],
      ['writing', 102, 107, 'work'],
      ['committing', 107, 109, 'work'],
      ['committed', 109, 109, 'good'],
    ]);
  });

  test('ends a little after the end of the request; its whole life when that is wanted', () => {
    const short = layOutTimeline({ request: ended, entries: life }, 2000, 'until its end');
    expect(short).toMatchObject({ fromMs: 100, toMs: expect.closeTo(110.6), goesOn: true });
    expect(rows('d', short)[1]?.marks.map(({ atMs }) => atMs)).toEqual([101]);
    const whole = layOutTimeline({ request: ended, entries: life }, 2000, 'its whole life');
    expect(whole).toMatchObject({ fromMs: 100, toMs: 1100, goesOn: false });
    expect(rows('d', whole)[1]?.marks.map(({ atMs }) => atMs)).toEqual([101, 1100]);
  });

  test('of a request in progress goes on until now', () => {
    const open = { request: request({ states: { sender: 'running.open' } }), entries: life.slice(0, 8) };
    const timeline = layOutTimeline(open, 140, 'until its end');
    expect(timeline).toMatchObject({ toMs: 140, goesOn: false });
    expect(rows('p', timeline)[1]?.bars.at(-1)).toMatchObject({ label: 'writing', toMs: 140, open: true });
  });

  test('puts messages that overlap below each other', () => {
    const bars = rows('NATS').map((row) => row.bars.map(({ label }) => label));
    expect(bars).toEqual([
      ['allocate', 'commit'],
      ['put', 'event.ready'],
    ]);
  });

  test('has no more rows than can be looked at, and says how many there are', () => {
    const many = Array.from({ length: 200 }, (_, batch) => transfer('p', 100 + batch, 'allocating', batch));
    const { groups } = layOutTimeline({ request: request(), entries: many }, 400, 'until its end');
    expect(groups).toHaveLength(1);
    expect(groups[0]?.rows).toHaveLength(TIMELINE_ROWS_MAX);
    expect(groups[0]?.more).toBe(200 - TIMELINE_ROWS_MAX);
  });

  test('of a request of which nothing is known but that it began is a line all the same', () => {
    const { fromMs, toMs, groups } = layOutTimeline(
      { request: request({ changedMs: 100 }), entries: [] },
      100,
      'until its end',
    );
    expect([toMs > fromMs, groups]).toEqual([true, []]);
  });

  test('has round ticks', () => {
    expect(ticksOf(10.6)).toEqual([0, 5, 10]);
    expect(ticksOf(1000)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(ticksOf(0.9)).toEqual([0, 0.2, 0.4, expect.closeTo(0.6), 0.8]);
  });

  test('knows where a moment is, also one outside of it', () => {
    const places = [50, 100, 150, 200, 900].map((atMs) => placeOf({ fromMs: 100, toMs: 200 }, atMs));
    expect(places).toEqual([0, 0, 0.5, 1, 1]);
  });
});
