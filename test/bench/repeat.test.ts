import { expect, it } from 'vitest';
import { repeat } from '../../bench/control/repeat.js';

it('begins everything that can be at once, and nothing after the time is over', async () => {
  const lanes: number[] = [];
  const { timesMs } = await repeat({ atOnce: 3, durationMs: 0 }, async (lane) => {
    lanes.push(lane);
    return lane * 10;
  });
  expect(lanes).toEqual([0, 1, 2]);
  expect(timesMs).toEqual([0, 10, 20]);
});
