import { expect, test } from 'vitest';
import { ClockOffset } from '../../../src/observe/inspector/live/clock-offset.js';

test('the shortest round trip says how far clocks are apart', () => {
  const offset = new ClockOffset();
  offset.add(1000, 505, 1010);
  expect(offset.toOurs(505)).toBe(1005);
  // The answer waited 90 ms: that says less.
  offset.add(2000, 1505, 2100);
  expect(offset.toOurs(505)).toBe(1005);
  offset.add(3000, 2503, 3002);
  expect(offset.toOurs(505)).toBe(1003);
});

test('of what was long ago nothing counts: clocks drift', () => {
  const offset = new ClockOffset();
  offset.add(0, 0, 1);
  for (let n = 1; n <= 32; n += 1) offset.add(n * 100, n * 100 - 50, n * 100 + 10);
  expect(offset.toOurs(0)).toBe(55);
});
