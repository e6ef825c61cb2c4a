import { expect, test } from 'vitest';
import { brokenLimits } from './limits.js';

const all = (ms: number) => ({ count: 1, p50: ms, p99: ms, max: ms });
const times = { detectMs: all(600), reclaimMs: all(3000), cancelMs: all(10), receiverErrorsLate: 0 };

test('times at their limits → none is broken', () => {
  expect(brokenLimits(times, 0)).toEqual([]);
});

test('a time beyond its limit → the limit is named; with room it is not', () => {
  const slow = { ...times, detectMs: all(603), cancelMs: all(36) };
  expect(brokenLimits(slow, 0)).toEqual(['detectMs.max 603 > 600', 'cancelMs.p99 36 > 10']);
  expect(brokenLimits(slow, 20)).toEqual(['cancelMs.p99 36 > 30']);
});

test('a typed error that came late → a broken limit, whatever the room is', () => {
  expect(brokenLimits({ ...times, receiverErrorsLate: 2 }, 1000)).toEqual(['2 typed errors came after the deadline']);
});
