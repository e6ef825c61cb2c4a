import { expect, test } from 'vitest';
import { Silences } from '../../../../src/proof/simulation/world/silences.js';
import { HEARTBEAT_MS } from '../../../../src/proof/simulation/world/timing.js';

/** Heartbeats of `from` to `to`, as numbers of intervals. Lost ones are left out. */
function beats(silences: Silences, from: string, to: string, intervals: readonly number[]): void {
  for (const interval of intervals) {
    const envelope = { from, to, subject: `kvferry.v1.heartbeat.${from}`, body: '', kind: 'message' as const };
    silences.note(envelope, interval * HEARTBEAT_MS, { copies: 1, delayMs: 1 });
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

test('a listener that was itself away → the silence does not count', () => {
  const silences = new Silences();
  beats(silences, 'a', 'b', [0, 1, 2, 5, 6]);
  silences.away('b', 2.2 * HEARTBEAT_MS)(4.5 * HEARTBEAT_MS);
  expect(silences.silentTo('b', 'a', 0, 6 * HEARTBEAT_MS)).toBe(false);
});
