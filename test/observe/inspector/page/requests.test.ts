import { expect, test } from 'vitest';
import { heldRows, keyOfRequest, mergeRequests } from '../../../../src/observe/inspector/page/data/request-table.js';
import { request } from './support.js';

const row = (id: string, startedMs: number, changedMs = startedMs) => request({ request: id, startedMs, changedMs });

test('requests are merged newest first; what is older than known changes nothing', () => {
  const table = mergeRequests([row('a', 1, 9)], [row('b', 2), row('a', 1, 5)], 10);
  expect(table).toEqual([row('b', 2), row('a', 1, 9)]);
  expect(mergeRequests(table, [row('a', 1, 10)], 10)).toEqual([row('b', 2), row('a', 1, 10)]);
});

test('no more are kept than can be: the oldest go', () => {
  const rows = Array.from({ length: 2500 }, (_, n) => row(`r${n}`, n));
  const table = mergeRequests([], rows, 1000);
  expect(table).toHaveLength(1000);
  expect([table[0]?.startedMs, table.at(-1)?.startedMs]).toEqual([2499, 1500]);
});

test('the same id of another sender is another request', () => {
  const other = { ...row('a', 3), epoch: '00000000000000bb' };
  expect(mergeRequests([row('a', 1)], [other], 10)).toEqual([other, row('a', 1)]);
});

test('a held list keeps its rows in place, updates them, and counts what is newer', () => {
  const before = [row('b', 2), row('a', 1)];
  const held = before.map(keyOfRequest);
  const now = mergeRequests(before, [row('c', 3), row('d', 4), row('a', 1, 8)], 10);
  expect(heldRows(now, held)).toEqual({ rows: [row('b', 2), row('a', 1, 8)], newer: 2 });
});

test('what is not kept any more leaves a held list', () => {
  const held = [row('b', 2), row('a', 1)].map(keyOfRequest);
  expect(heldRows([row('c', 3), row('b', 2)], held)).toEqual({ rows: [row('b', 2)], newer: 1 });
  expect(heldRows([row('c', 3)], held)).toEqual({ rows: [], newer: 1 });
});
