import { expect, test } from 'vitest';
import { repeat } from '../../bench/harness/repeat.js';

test('begins everything that can be at once, and nothing after the time is over', async () => {
  let begun = 0;
  const { timesMs } = await repeat({ atOnce: 3, durationMs: 0 }, async () => {
    begun += 1;
    return begun * 10;
  });
  expect(timesMs).toEqual([10, 20, 30]);
});
