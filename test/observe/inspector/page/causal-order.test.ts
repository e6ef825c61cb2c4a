import { describe, expect, test } from 'vitest';
import type { EntryView, RequestDetail } from '../../../../src/observe/inspector/feed.js';
import { inCausalOrder } from '../../../../src/observe/inspector/page/requests/causal-order.js';
import { exchangesOf } from '../../../../src/observe/inspector/page/requests/exchanges.js';
import { layOutSequence } from '../../../../src/observe/inspector/page/requests/sequence.js';
import { layOutTimeline } from '../../../../src/observe/inspector/page/requests/timeline.js';
import { heard, request, sent, state, stored, transfer } from './support.js';

/** The entries of a request that became ready after 12 ms, in the order of their true times. */
const life = [
  state('p', 100, 'request', 'running.open'),
  transfer('p', 100, 'allocating'),
  heard('p', 100.5, 'put', { batch: 0, tookMs: 0.5 }),
  state('d', 101, 'ingest', 'running.waiting'),
  stored('d', 101, 'queued', 1),
  heard('d', 102, 'allocate', { batch: 0, tookMs: 1 }),
  sent('p', 103, 'allocate', { batch: 0, peer: 'd', tookMs: 3 }),
  transfer('p', 103, 'writing'),
  transfer('p', 108, 'committing'),
  heard('d', 110, 'commit', { batch: 0, tookMs: 1 }),
  state('d', 110, 'ingest', 'ready', { from: 'running.receiving' }),
  sent('p', 111, 'commit', { batch: 0, peer: 'd', tookMs: 3 }),
  sent('d', 112, 'event.ready'),
];

/** As the server reports the request when its estimate of the receiver's clock is wrong by `errorMs`. */
function seen(errorMs: number, entries: readonly EntryView[] = life): RequestDetail {
  const wrong = entries.map((view) => (view.agent === 'd' ? { ...view, timeMs: view.timeMs + errorMs } : view));
  const times = wrong.map(({ timeMs }) => timeMs);
  const startedMs = Math.min(...times);
  return {
    request: request({ end: 'ready', startedMs, changedMs: Math.max(...times), endedMs: 112 + errorMs }),
    entries: wrong.toSorted((a, b) => a.timeMs - b.timeMs),
  };
}

const lines = ({ entries }: RequestDetail) =>
  entries.map(({ agent, timeMs, entry }) => {
    const name = entry.kind === 'state' ? entry.to : entry.kind === 'message' ? entry.operation : entry.action;
    return `${Math.round(timeMs * 100) / 100} ${agent} ${name}`;
  });

describe('causal order', () => {
  test('changes nothing when it holds already', () => {
    const detail = seen(0);
    expect(inCausalOrder(detail)).toBe(detail);
  });

  test.each([-130, 40, 900])('holds although the clock of the receiver is wrong by %i ms', (errorMs) => {
    const { request: shown, entries } = inCausalOrder(seen(errorMs));
    const exchanges = exchangesOf(entries).filter(({ to }) => to === 'd');
    expect(exchanges.map(({ operation, startMs, endMs }) => [operation, startMs, endMs])).toEqual([
      ['allocate', 100, 103],
      ['commit', 108, 111],
    ]);
    const ofReceiver = entries.filter(({ agent }) => agent === 'd').map(({ timeMs }) => timeMs);
    // The receiver's entries keep their distances. Its first one is within the call that caused it.
    expect(ofReceiver.map((timeMs) => timeMs - (ofReceiver[0] ?? 0))).toEqual([0, 0, 1, 9, 9, 11].map(near));
    expect(ofReceiver[0]).toBeGreaterThanOrEqual(100);
    expect(ofReceiver[2]).toBeLessThanOrEqual(103);
    expect([shown.startedMs, shown.endedMs]).toEqual([100, ofReceiver[5]]);
  });

  test('moves the receiver by the least time that is needed', () => {
    expect(lines(inCausalOrder(seen(-130)))).toEqual([
      '100 p running.open',
      '100 p allocating',
      '100 d running.waiting',
      '100 d queued',
      '100.5 p put',
      '101 d allocate',
      '103 p allocate',
      '103 p writing',
      '108 p committing',
      '109 d commit',
      '109 d ready',
      '111 p commit',
      '111 d event.ready',
    ]);
  });

  test('holds before the first answer: the receiver starts after the transfer', () => {
    const { request: shown, entries } = inCausalOrder(seen(-130, life.slice(0, 5)));
    expect(entries.filter(({ agent }) => agent === 'd').map(({ timeMs }) => timeMs)).toEqual([100, 100]);
    expect(shown.startedMs).toBe(100);
  });

  test('holds for a notice, which has no answer', () => {
    const entries = [...life, sent('p', 120, 'ended', { peer: 'd' }), heard('d', 109, 'ended', {})];
    const moved = inCausalOrder({ request: request(), entries });
    expect(exchangesOf(moved.entries).find(({ operation }) => operation === 'ended')).toEqual({
      ...{ from: 'p', to: 'd', operation: 'ended', startMs: 120, endMs: 120 },
    });
  });

  test('uses one estimate of a clock for all entries: the last', () => {
    const entries = life.map((view) =>
      view.agent === 'd' && view.timeMs < 105 ? { ...view, timeMs: view.timeMs - 50 } : view,
    );
    expect(lines(inCausalOrder({ request: request(), entries }))).toEqual(lines(seen(0)));
  });

  test('ignores the answer to a message that was repeated', () => {
    const failed = sent('p', 101, 'allocate', { batch: 0, peer: 'd', tookMs: 1, code: 'deadline_exceeded' });
    const entries = [...life.slice(0, 2), failed, heard('d', 105, 'allocate', { batch: 0, tookMs: 1 })];
    expect(inCausalOrder({ request: request(), entries })).toEqual({ request: request(), entries });
  });

  test('treats a restarted receiver as another clock', () => {
    const again = { ...stored('d', 50, 'released', 1), agentEpoch: '00000000000000d2' };
    const moved = inCausalOrder(seen(-130, [...life, again]));
    expect(moved.entries.find(({ agentEpoch }) => agentEpoch === again.agentEpoch)?.timeMs).toBe(-80);
  });
});

describe('what is drawn with a wrong clock', () => {
  test('the timeline begins with the put, and the receiver after it', () => {
    const { fromMs, groups } = layOutTimeline(inCausalOrder(seen(-130)), 200, 'until its end');
    const bars = groups.flatMap(({ title, rows }) =>
      rows.flatMap((row) => row.bars.map(({ label, fromMs: at }) => [title, label, at - fromMs])),
    );
    expect(fromMs).toBe(100);
    expect(bars.filter(([title]) => title !== 'p')).toEqual([
      ['NATS', 'allocate', 0],
      ['NATS', 'commit', 8],
      ['NATS', 'event.ready', near(11)],
      ['NATS', 'put', 0],
      ['d', 'running.waiting', near(0)],
      ['d', 'ready', near(9)],
    ]);
  });

  test('the sequence begins with the put, and has each message once', () => {
    const { steps } = layOutSequence(inCausalOrder(seen(-130)));
    expect(steps.map(({ afterMs, text }) => `${Math.round(afterMs)} ${text}`)).toEqual([
      '0 put',
      '0 queued 1 chunk',
      '0 allocate',
      '3 bytes',
      '8 commit',
      '11 event.ready',
      '11 ready',
    ]);
  });
});

function near(value: number): unknown {
  return expect.closeTo(value, 6);
}
