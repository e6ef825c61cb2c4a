import { expect, test } from 'vitest';
import { counted, median, roundBytes, roundGbps, roundMs } from '../../../src/observe/doctor/amounts.js';

test.each([
  [roundBytes(0), '0 B'],
  [roundBytes(1023), '1023 B'],
  [roundBytes(1536), '1.5 KiB'],
  [roundBytes(3 * 1024 ** 4), '3 TiB'],
  [roundBytes(5000 * 1024 ** 4), '5000 TiB'],
  [roundMs(0.08), '80 µs'],
  [roundMs(2.54), '2.5 ms'],
  [roundMs(45_000), '45 s'],
  [roundGbps(0.0123), '0.012 GB/s'],
  [roundGbps(11.26), '11.3 GB/s'],
  [counted(1, 'agent'), '1 agent'],
  [counted(0, 'agent'), '0 agents'],
  [median([3, 1, 2]), 2],
  [median([]), 0],
])('an amount is shown as %s', (shown, expected) => {
  expect(shown).toBe(expected);
});
