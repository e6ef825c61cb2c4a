import { describe, expect, test } from 'vitest';
import { fullData, quickData, writeCases } from '../../bench/data/write-case.js';

const MIB = 1024 ** 2;

describe('cases of the data suite', () => {
  test('has every size with every batch and every depth, when there is room', () => {
    const { cases, notRun } = writeCases({ ...fullData, roomBytes: Number.POSITIVE_INFINITY });
    expect(cases).toHaveLength(5 * 3 * 2);
    expect(notRun).toEqual([]);
  });

  test('writes each chunk of a round once, in whole groups of what is in flight', () => {
    for (const { chunkBytes, batch, inFlight, chunks } of writeCases({ ...quickData, roomBytes: 1024 * MIB }).cases) {
      expect(chunks % (batch * inFlight)).toBe(0);
      expect(chunks * chunkBytes).toBeGreaterThanOrEqual(Math.min(quickData.roundBytes, batch * inFlight * chunkBytes));
    }
  });

  test('says which cases there is no room for', () => {
    const scale = { ...quickData, chunkBytes: [32 * MIB], batches: [1, 16], inFlight: [1], roomBytes: 64 * MIB };
    expect(writeCases(scale)).toEqual({
      cases: [{ chunkBytes: 32 * MIB, batch: 1, inFlight: 1, chunks: 2 }],
      notRun: [
        {
          what: '32768 KiB × 16 × 1 in flight',
          reason: 'needs 512 MiB each for source and arena; this run has 64 MiB',
        },
      ],
    });
  });
});
