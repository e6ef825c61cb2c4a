import { describe, expect, test } from 'vitest';
import { type Column, clip, table } from '../../../src/cli/top/columns.js';

interface Row {
  readonly name: string;
  readonly count: number;
  readonly text: string;
}
const columns: readonly Column<Row>[] = [
  { title: 'NAME', rank: 0, cell: ({ name }) => name },
  { title: 'COUNT', rank: 2, align: 'right', cell: ({ count }) => `${count}` },
  { title: 'TEXT', rank: 1, isFlexible: true, cell: ({ text }) => text },
];
const rows: readonly Row[] = [
  { name: 'first', count: 1, text: 'a text that is rather long, longer than others' },
  { name: 'b', count: 1234567, text: 'short' },
];

describe('a table', () => {
  test('is as wide as its contents, where there is room', () => {
    expect(table(columns, rows, 100)).toEqual({
      head: 'NAME     COUNT  TEXT',
      rows: ['first        1  a text that is rather long, longer than others', 'b      1234567  short'],
      leftOut: [],
    });
  });

  test('cuts what is flexible first', () => {
    expect(table(columns, rows, 40)).toEqual({
      head: 'NAME     COUNT  TEXT',
      rows: ['first        1  a text that is rather l…', 'b      1234567  short'],
      leftOut: [],
    });
  });

  test('leaves out columns by their rank', () => {
    expect(table(columns, rows, 30)).toEqual({
      head: 'NAME   TEXT',
      rows: ['first  a text that is rather …', 'b      short'],
      leftOut: ['COUNT'],
    });
    expect(table(columns, rows, 10)).toEqual({ head: 'NAME', rows: ['first', 'b'], leftOut: ['COUNT', 'TEXT'] });
  });

  test('is never wider than the screen', () => {
    for (let width = 1; width < 80; width += 1) {
      const { head, rows: lines } = table(columns, rows, width);
      expect(Math.max(...[head, ...lines].map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });

  test('without rows has a head', () => {
    expect(table(columns, [], 80)).toEqual({ head: 'NAME  COUNT  TEXT', rows: [], leftOut: [] });
  });
});

test('text is cut with a mark', () => {
  expect([clip('text', 4), clip('text', 3), clip('text', 1), clip('text', 0)]).toEqual(['text', 'te…', '…', '…']);
});
