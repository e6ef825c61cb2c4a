import { describe, expect, it } from 'vitest';
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
  it.each([
    ['4096', 4096],
    ['4096B', 4096],
    ['64KiB', 65_536],
    ['3 MiB', 3_145_728],
    ['15.75MiB', 16_515_072],
    ['1.5GiB', 1_610_612_736],
    [' 1TiB ', 1_099_511_627_776],
  ])('reads %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(['', 'KiB', '-1', '1e3', '3MB', '3mib', '0.3B', '1 2', 'toString', '9999999999TiB'])('refuses "%s"', (text) =>
    expect(parseBytes(text)).toBeUndefined(),
  );

  it.each([
    [0, '0B'],
    [1000, '1000B'],
    [65_536, '64KiB'],
    [16_515_072, '16128KiB'],
    [3_145_728, '3MiB'],
  ])('writes %d so that it is read back', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
    expect(parseBytes(text)).toBe(bytes);
  });
});

describe('times', () => {
  it.each([
    ['250', 250],
    ['250ms', 250],
    ['2s', 2000],
    ['0.5 s', 500],
  ])('reads %s', (text, milliseconds) => expect(parseDurationMs(text)).toBe(milliseconds));

  it.each(['', 's', '2m', '2min', '-1s', '0.0001s'])('refuses "%s"', (text) =>
    expect(parseDurationMs(text)).toBeUndefined(),
  );

  it.each([
    [0, '0ms'],
    [1500, '1500ms'],
    [60_000, '60s'],
  ])('writes %d so that it is read back', (milliseconds, text) => {
    expect(formatDurationMs(milliseconds)).toBe(text);
    expect(parseDurationMs(text)).toBe(milliseconds);
  });
});

it.each([
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
