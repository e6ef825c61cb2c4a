import { expect, test } from 'vitest';
import { Silences } from '../../../../src/proof/simulation/world/silences.js';
import { HEARTBEAT_MS } from '../../../../src/proof/simulation/world/timing.js';

/** Heartbeats of `from` that `to` reads, as numbers of intervals. */
function beats(silences: Silences, from: string, to: string, intervals: readonly number[]): void {
  for (const interval of intervals) {
    const envelope = { from, to, subject: `kvferry.v1.heartbeat.${from}`, body: '', kind: 'message' as const };
    silences.read(envelope, interval * HEARTBEAT_MS);
  }
}

test('two lost heartbeats → a silence, three in time → none', () => {
  const silences = new Silences();
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  beats(silences, 'b', 'a', [0, 1, 2, 3, 4, 5, 6]);
  const until = 6 * HEARTBEAT_MS;
  expect([silences.silentTo('b', 'a', 0, until), silences.silentTo('a', 'b', 0, until)]).toEqual([true, false]);
  expect(silences.parted('a', 'b', 0, until)).toBe(true);
});

test('a silence outside the time in question → no reason', () => {
  const silences = new Silences();
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6, 7, 8]);
  beats(silences, 'b', 'a', [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const before = silences.parted('a', 'b', 0, 2 * HEARTBEAT_MS);
  const after = silences.parted('a', 'b', 6 * HEARTBEAT_MS, 8 * HEARTBEAT_MS);
  expect([before, after]).toEqual([false, false]);
});

test('a listener that was itself away for long → the silence does not count', () => {
  const silences = new Silences();
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 'freeze', 2.2 * HEARTBEAT_MS)(4.5 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(false);
});

test('an agent reads nothing → a silence, from its own first message on', () => {
  const silences = new Silences();
  const before = silences.parted('a', 'b', 0, 10 * HEARTBEAT_MS);
  silences.sent({ from: 'b', to: 'a' }, HEARTBEAT_MS);
  const until = 4 * HEARTBEAT_MS;
  expect([before, silences.silentTo('b', 'a', 0, until), silences.silentTo('a', 'b', 0, until)]).toEqual([
    false,
    true,
    false,
  ]);
});

test('an answer that comes after its caller has given up → no sign of life', () => {
  const silentAfter = (askedMs: number) => {
    const silences = new Silences();
    beats(silences, 'a', 'b', [0, 1, 2]);
    const answer = {
      from: 'a',
      to: 'b',
      subject: 'kvferry.v1.peer.a.1.ping',
      body: '',
      kind: 'reply',
      askedMs,
    } as const;
    silences.read(answer, 3 * HEARTBEAT_MS);
    return silences.silentTo('b', 'a', 0, 5 * HEARTBEAT_MS);
  };
  expect([silentAfter(3 * HEARTBEAT_MS - 1), silentAfter(2 * HEARTBEAT_MS)]).toEqual([false, true]);
});

test('a listener that was away for less than it notices → the silence counts', () => {
  const silences = new Silences();
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 'serverFrozen', 2.5 * HEARTBEAT_MS)(3.3 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(true);
});

test('a listener that was disconnected, however shortly → that time does not count', () => {
  const silences = new Silences();
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 'cutOff', 2.5 * HEARTBEAT_MS)(3.3 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(false);
});
