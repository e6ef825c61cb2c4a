import { describe, expect, test } from 'vitest';
import {
  growthExponent,
  median,
  percentile,
  percentilesOf,
  ratios,
  rounded,
  spreadOf,
} from '../../src/figures/statistics.js';

describe('statistics', () => {
  test('takes the middle, the least and the most of the rounds, whatever their order', () => {
    expect(spreadOf([3, 1, 10])).toEqual({ median: 3, min: 1, max: 10, rounds: 3 });
  });

  test('interpolates a percentile between its neighbours', () => {
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(percentile([4, 1, 3, 2], 0)).toBe(1);
    expect(percentile([4, 1, 3, 2], 1)).toBe(4);
  });

  test('sorts by value, not as text', () => {
    expect(percentile([100, 20, 3], 1)).toBe(100);
  });

  test('has one median: the middle one, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('gives the median and the 99th percentile, rounded, and zeros without values', () => {
    const thousand = Array.from({ length: 1001 }, (_, index) => index + 0.12345);
    expect(percentilesOf(thousand)).toEqual({ p50: 500.1, p99: 990.1 });
    expect(percentilesOf([])).toEqual({ p50: 0, p99: 0 });
  });

  test('refuses to make a figure of nothing', () => {
    expect(() => spreadOf([])).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
  });

  test('compares round by round, and only rounds that belong together', () => {
    expect(ratios([2, 9], [1, 3])).toEqual([2, 3]);
    expect(() => ratios([1], [1, 2])).toThrow(RangeError);
  });

  test('keeps four digits', () => {
    expect(rounded(123_456)).toBe(123_500);
    expect(rounded(0.00123456)).toBe(0.001235);
  });

  test('tells flat from linear growth', () => {
    const points = (cost: (size: number) => number) => [10, 100, 1000].map((size) => ({ size, cost: cost(size) }));
    expect(growthExponent(points(() => 7))).toBe(0);
    expect(growthExponent(points((size) => 3 * size))).toBe(1);
    expect(() => growthExponent([{ size: 10, cost: 1 }])).toThrow(RangeError);
  });
});
