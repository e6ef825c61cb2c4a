import { expect, test } from 'vitest';
import { Silences } from '../../../../src/proof/simulation/world/silences.js';
import { Strikes } from '../../../../src/proof/simulation/world/strikes.js';
import { HEARTBEAT_MS } from '../../../../src/proof/simulation/world/timing.js';

/** Heartbeats of `from` to `to`, as numbers of intervals. Lost ones are left out. */
function beats(silences: Silences, from: string, to: string, intervals: readonly number[]): void {
  for (const interval of intervals) {
    const envelope = { from, to, subject: `kvferry.v1.heartbeat.${from}`, body: '', kind: 'message' as const };
    silences.note(envelope, interval * HEARTBEAT_MS, { copies: 1, delayMs: 1 });
  }
}

test('two lost heartbeats → a silence, three in time → none', () => {
  const silences = new Silences(new Strikes());
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  beats(silences, 'b', 'a', [0, 1, 2, 3, 4, 5, 6]);
  const until = 6 * HEARTBEAT_MS;
  expect([silences.silentTo('b', 'a', 0, until), silences.silentTo('a', 'b', 0, until)]).toEqual([true, false]);
  expect(silences.parted('a', 'b', 0, until)).toBe(true);
});

test('a silence outside the time in question → no reason', () => {
  const silences = new Silences(new Strikes());
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6, 7, 8]);
  beats(silences, 'b', 'a', [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const before = silences.parted('a', 'b', 0, 2 * HEARTBEAT_MS);
  const after = silences.parted('a', 'b', 6 * HEARTBEAT_MS, 8 * HEARTBEAT_MS);
  expect([before, after]).toEqual([false, false]);
});

test('a listener that was itself away for long → the silence does not count', () => {
  const silences = new Silences(new Strikes());
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 'freeze', 2.2 * HEARTBEAT_MS)(4.5 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(false);
});

test('agents that never exchange heartbeats → parted only by a fault between them', () => {
  const strikes = new Strikes();
  const silences = new Silences(strikes);
  const before = silences.parted('a', 'b', 0, 10 * HEARTBEAT_MS);
  strikes.add('severed', { agents: ['a', 'b'], fromMs: HEARTBEAT_MS, untilMs: 5 * HEARTBEAT_MS });
  expect([before, silences.parted('a', 'b', 0, 10 * HEARTBEAT_MS)]).toEqual([false, true]);
});

test('a listener that was away for less than it notices → the silence counts', () => {
  const silences = new Silences(new Strikes());
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 'serverFrozen', 2.5 * HEARTBEAT_MS)(3.3 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(true);
});

test('a listener that was disconnected, however shortly → that time does not count', () => {
  const silences = new Silences(new Strikes());
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 'cutOff', 2.5 * HEARTBEAT_MS)(3.3 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(false);
});
