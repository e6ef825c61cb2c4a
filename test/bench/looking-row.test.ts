import { expect, test } from 'vitest';
import type { Taken } from '../../bench/harness/load.js';
import { lookingRow } from '../../bench/observe/looking-row.js';

function taken(batches: number, cpuUsPerBatch: number): Taken {
  return { timesMs: new Array(batches).fill(1), seconds: 1, cpuUs: batches * cpuUsPerBatch, decodeCpuUs: 0 };
}

const always = (value: number) => ({ median: value, min: value, max: value, rounds: 2 });

test('says what looking costs against agents that remember nothing, round by round', () => {
  const seen = { entries: 600, oneIn: 4 };
  const row = lookingRow(
    { keys: 32 },
    {
      blind: [taken(1000, 1000), taken(500, 2000)],
      unwatched: [taken(990, 1020), taken(495, 2040)],
      watched: [
        { ...taken(950, 1100), seen, seenS: 2 },
        { ...taken(400, 2200), seen: { entries: 300, oneIn: 8 }, seenS: 1 },
      ],
    },
  );
  expect(row).toEqual({
    table: 'looking',
    parameters: { keys: 32 },
    figures: {
      blindBatchesPerS: { median: 750, min: 500, max: 1000, rounds: 2 },
      unwatchedBatchesPerS: { median: 742.5, min: 495, max: 990, rounds: 2 },
      watchedBatchesPerS: { median: 675, min: 400, max: 950, rounds: 2 },
      unwatchedLostPercent: always(1),
      watchedLostPercent: { median: 12.5, min: 5, max: 20, rounds: 2 },
      blindCpuUs: { median: 1500, min: 1000, max: 2000, rounds: 2 },
      unwatchedCpuUs: { median: 1530, min: 1020, max: 2040, rounds: 2 },
      watchedCpuUs: { median: 1650, min: 1100, max: 2200, rounds: 2 },
      unwatchedMoreCpuPercent: always(2),
      watchedMoreCpuPercent: always(10),
      seenEntriesPerS: always(300),
      seenOneIn: 8,
    },
  });
});
