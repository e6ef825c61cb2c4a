import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressLengths, expandLengths } from '../../src/protocol/fields.js';

const length = fc.integer({ min: 1, max: 2 ** 30 });
/** Few values, so that runs of equal ones occur. */
const lengths = fc.oneof(fc.array(length), fc.array(fc.constantFrom(1, 2, 3_145_728)));

describe('lengths as runs', () => {
  test('expanding what was compressed gives the same lengths', () => {
    fc.assert(
      fc.property(lengths, (list) => {
        expect(expandLengths(compressLengths(list))).toEqual(list);
      }),
    );
  });

  test('no two neighbouring runs have the same length, and none is empty', () => {
    fc.assert(
      fc.property(lengths, (list) => {
        const runs = compressLengths(list);
        runs.forEach((run, index) => {
          expect(run.count).toBeGreaterThan(0);
          expect(run.length).not.toBe(runs[index + 1]?.length);
        });
      }),
    );
  });

  test('compressing what was expanded gives the shortest form of the same runs', () => {
    const run = fc.record({ length: fc.constantFrom(1, 2, 3), count: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(fc.array(run), (runs) => {
        const shortest = compressLengths(expandLengths(runs));
        expect(shortest.length).toBeLessThanOrEqual(runs.length);
        expect(expandLengths(shortest)).toEqual(expandLengths(runs));
      }),
    );
  });

  test('examples of lengths as runs', () => {
    expect(compressLengths([])).toEqual([]);
    expect(compressLengths([5])).toEqual([{ length: 5, count: 1 }]);
    expect(compressLengths([5, 5, 3, 5])).toEqual([
      { length: 5, count: 2 },
      { length: 3, count: 1 },
      { length: 5, count: 1 },
    ]);
  });
});
