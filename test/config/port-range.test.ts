import { expect, test } from 'vitest';
import { formatPortRange, parsePortRange } from '../../src/config/port-range.js';

test.each([
  ['0', { first: 0, last: 0 }],
  ['47000', { first: 47_000, last: 47_000 }],
  ['47000-47100', { first: 47_000, last: 47_100 }],
  ['1-65535', { first: 1, last: 65_535 }],
])('the ports %s → parsed, and formatted as they were', (text, range) => {
  expect(parsePortRange(text)).toEqual(range);
  expect(formatPortRange(range)).toBe(text);
});

test.each(['', '-', '1-', '-1', '0-10', '47100-47000', '65536', '1-65536', '1,2', ' 1', '1.5', 'any'])(
  'the text %j → no range of ports',
  (text) => {
    expect(parsePortRange(text)).toBe(undefined);
  },
);
