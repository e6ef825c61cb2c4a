import { describe, expect, test } from 'vitest';
import { heldRows, keyOfRequest, mergeRequests } from '../../../../src/observe/inspector/page/data/request-table.js';
import { listedRequests } from '../../../../src/observe/inspector/page/requests/listed-requests.js';
import { describeRequest } from '../../../../src/observe/inspector/page/requests/request-text.js';
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

describe('rows of the list', () => {
  const rank = (id: string, number: number, startedMs: number, epoch = `00000000000000a${number}`) =>
    request({ request: id, epoch, startedMs, rank: number, rankCount: 2 });
  const lines = (rows: ReturnType<typeof listedRequests>) =>
    rows.map(
      ({ view, isTiedAbove, isTiedBelow }) =>
        `${view.request}${view.rank === undefined ? '' : ` ${view.rank}`}${isTiedAbove ? ' above' : ''}${isTiedBelow ? ' below' : ''}`,
    );

  test('the ranks of one request are together and in order, where its first row was', () => {
    const rows = [row('new', 9), rank('r', 1, 8), row('between', 7), rank('r', 0, 6), row('old', 5)];
    expect(lines(listedRequests(rows))).toEqual(['new', 'r 0 below', 'r 1 above', 'between', 'old']);
  });

  test('a second attempt under the same id is another group', () => {
    const again = [rank('r', 1, 9, '00000000000000b1'), rank('r', 0, 8, '00000000000000b0')];
    const rows = [...again, rank('r', 0, 2), rank('r', 1, 1)];
    expect(lines(listedRequests(rows))).toEqual(['r 0 below', 'r 1 above', 'r 0 below', 'r 1 above']);
    expect(listedRequests(rows).map(({ view }) => view.epoch.at(-2))).toEqual(['b', 'b', 'a', 'a']);
  });

  test('the same id without ranks is not joined', () => {
    expect(lines(listedRequests([row('r', 2), { ...row('r', 1), epoch: '00000000000000bb' }]))).toEqual(['r', 'r']);
  });

  test('a screen reader reads what the columns mean', () => {
    const startedMs = new Date(2026, 1, 3, 14, 3, 9, 120).getTime();
    const states = { sender: 'running.settling', receiver: 'running.gathering' };
    expect(describeRequest(request({ startedMs, states, chunks: 12, deduplicated: 7, joined: 3, handedOver: 1 }))).toBe(
      'r1, p to d, sender settling, receiver gathering, 12 chunks, 7 already there, 3 joined, 1 handed over, began 14:03:09.120',
    );
    const reason = { code: 'sender_lost', message: 'p is gone' } as const;
    expect(
      describeRequest(
        request({ startedMs, rank: 1, rankCount: 2, end: 'failed', reason, endedMs: startedMs + 12, chunks: 1 }),
      ),
    ).toBe('r1, rank 1 of 2, p to d, failed after 12 ms, sender_lost, 1 chunk, began 14:03:09.120');
  });
});
