import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sampling } from '../../../src/observe/inspector/live/sampling.js';
import { isSampled } from '../../../src/protocol/sampling.js';

/** Five readings in each second of so many entries; answers what `oneIn` is after each second. */
function run(sampling: Sampling, startS: number, entriesPerS: readonly number[], isBehind = false): number[] {
  return entriesPerS.map((entries, second) => {
    for (let reading = 0; reading < 5; reading += 1) {
      sampling.fetched(entries / 5 / sampling.oneIn);
      sampling.decide((startS + second) * 1000 + (reading + 1) * 200, isBehind);
    }
    return sampling.oneIn;
  });
}

describe('sampling', () => {
  test('looks at all requests as long as it can', () => {
    expect(run(new Sampling(0), 0, [2500, 2900, 2900, 10])).toEqual([1, 1, 1, 1]);
  });

  test('looks at as many as it can when there are more, and soon knows how many that are', () => {
    const sampling = new Sampling(0);
    expect(run(sampling, 0, new Array(4).fill(24_000)).at(-1)).toBe(8);
    expect(run(sampling, 4, new Array(20).fill(24_000)).at(-1)).toBe(8);
  });

  test('looks at fewer at once when it falls behind', () => {
    const sampling = new Sampling(0);
    expect(run(sampling, 0, [100, 100], true)).toEqual([8, 32]);
  });

  test('looks at more again after some quiet seconds, step by step', () => {
    const sampling = new Sampling(0);
    run(sampling, 0, new Array(10).fill(24_000));
    expect(run(sampling, 10, new Array(20).fill(400))).toEqual([
      ...[8, 8, 8, 8, 8, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1],
    ]);
  });
});

describe('which requests are looked at', () => {
  test('those of one in twice as many are among those of one in so many', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 15 }), (request, doublings) => {
        const oneIn = 2 ** doublings;
        return !isSampled(request, 2 * oneIn) || isSampled(request, oneIn);
      }),
    );
  });

  test('about one in so many', () => {
    const names = Array.from({ length: 4096 }, (_, n) => `request-${n}`);
    const sampled = names.filter((name) => isSampled(name, 16)).length;
    expect(sampled).toBeGreaterThan(200);
    expect(sampled).toBeLessThan(320);
    expect(names.every((name) => isSampled(name, 1))).toBe(true);
  });
});
