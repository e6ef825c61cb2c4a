import { describe, expect, test } from 'vitest';
import {
  counted,
  formatBytes,
  formatDurationMs,
  parseBytes,
  parseDurationMs,
  roundAge,
  roundBytes,
  roundCount,
  roundGbps,
  roundMs,
} from '../../src/figures/units.js';

describe('sizes', () => {
  test.each([
    ['4096', 4096],
    ['4096B', 4096],
    ['64KiB', 65_536],
    ['3 MiB', 3_145_728],
    ['15.75MiB', 16_515_072],
    ['1.5GiB', 1_610_612_736],
    [' 1TiB ', 1_099_511_627_776],
  ])('a size of %s is read', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  test.each(['', 'KiB', '-1', '1e3', '3MB', '3mib', '0.3B', '1 2', 'toString', '9999999999TiB'])(
    'a size of "%s" is refused',
    (text) => expect(parseBytes(text)).toBeUndefined(),
  );

  test.each([
    [0, '0B'],
    [1000, '1000B'],
    [65_536, '64KiB'],
    [16_515_072, '16128KiB'],
    [3_145_728, '3MiB'],
  ])('a size of %d bytes is read back as written', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
    expect(parseBytes(text)).toBe(bytes);
  });
});

describe('times', () => {
  test.each([
    ['250', 250],
    ['250ms', 250],
    ['2s', 2000],
    ['0.5 s', 500],
  ])('a time of %s is read', (text, milliseconds) => expect(parseDurationMs(text)).toBe(milliseconds));

  test.each(['', 's', '2m', '2min', '-1s', '0.0001s'])('a time of "%s" is refused', (text) =>
    expect(parseDurationMs(text)).toBeUndefined(),
  );

  test.each([
    [0, '0ms'],
    [1500, '1500ms'],
    [60_000, '60s'],
  ])('a time of %d ms is read back as written', (milliseconds, text) => {
    expect(formatDurationMs(milliseconds)).toBe(text);
    expect(parseDurationMs(text)).toBe(milliseconds);
  });
});

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
  [roundCount(0), '0'],
  [roundCount(12.34), '12.3'],
  [roundCount(204.4), '204'],
  [roundAge(12_340), '12.3s'],
  [roundAge(245_000), '4m05s'],
  [counted(1, 'agent'), '1 agent'],
  [counted(0, 'agent'), '0 agents'],
])('rounds for people: %s', (shown, expected) => {
  expect(shown).toBe(expected);
});
