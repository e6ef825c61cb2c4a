import { describe, expect, test } from 'vitest';
import type { LoadResult } from '../../../src/cli/demo/load.js';
import { type QuietResult, quietChunks, quietRoomBytes } from '../../../src/cli/demo/quiet.js';
import { isGood, makeReport, renderReport } from '../../../src/cli/demo/report.js';

const MIB = 1024 ** 2;
const load: LoadResult = {
  requests: 64,
  ends: { ready: 64, failed: 0, cancelled: 0, expired: 0 },
  unended: 0,
  chunks: 1410,
  deduplicated: 576,
  joined: 58,
  bytesMoved: 834 * 3 * MIB,
  seconds: 6.4364,
  putToReadyMs: { p50: 140.5, p99: 735.4 },
  problems: [],
  mismatches: [],
  leakedPages: 0,
  provider: 'same-host',
};
const quiet: QuietResult = {
  bytes: 342 * 3 * MIB,
  gbps: 6,
  memcpyGbps: 8,
  tcpGbps: 4,
  controlMs: { p50: 1.5, p99: 2.5 },
  mismatches: [],
  leakedPages: 0,
  provider: 'same-host',
};

const unspoilt = { seed: 1, faultsAllowed: false };

test('has every figure that programs expect', () => {
  expect(makeReport(load, quiet, [], unspoilt)).toEqual({
    requests: 64,
    ready: 64,
    failed: 0,
    cancelled: 0,
    expired: 0,
    chunks: 1410,
    deduplicated: 576,
    joined: 58,
    bytesMoved: 2_623_537_152,
    gbps: 6,
    memcpyGbps: 8,
    tcpGbps: 4,
    quietBytes: 1_075_838_976,
    controlMs: { p50: 1.5, p99: 2.5 },
    putToReadyMs: { p50: 140.5, p99: 735.4 },
    mismatches: 0,
    leakedPages: 0,
    provider: 'same-host',
    violations: [],
    seconds: 6.436,
    seed: 1,
    faultsAllowed: false,
  });
});

test('has no rates without a quiet phase', () => {
  const report = makeReport(load, undefined, [], unspoilt);
  expect(report).toMatchObject({ gbps: null, memcpyGbps: null, tcpGbps: null, quietBytes: null, controlMs: null });
  expect(renderReport(report)).not.toContain('memcpy');
});

describe('what is not good', () => {
  test.each<[string, Partial<LoadResult>, Partial<QuietResult>, string[], object]>([
    ['a failed request', { ends: { ...load.ends, ready: 63, failed: 1 } }, {}, [], { failed: 1 }],
    ['a request that never ended', { ends: { ...load.ends, ready: 63 }, unended: 1 }, {}, [], { failed: 1 }],
    ['an expired request', { ends: { ...load.ends, ready: 63, expired: 1 } }, {}, [], { expired: 1 }],
    ['a mismatch', { mismatches: ['a'] }, {}, [], { mismatches: 1 }],
    ['a mismatch in the quiet phase', {}, { mismatches: ['a'] }, [], { mismatches: 1 }],
    ['a leaked page', { leakedPages: 2 }, { leakedPages: 1 }, [], { leakedPages: 3 }],
    ['a broken promise', {}, {}, ['a second terminal event'], { violations: ['a second terminal event'] }],
  ])('%s is not good, and is reported', (_, loadPart, quietPart, violations, expected) => {
    const report = makeReport({ ...load, ...loadPart }, { ...quiet, ...quietPart }, violations, unspoilt);
    expect(report).toMatchObject(expected);
    expect(isGood(report)).toBe(false);
    expect(renderReport(report)).toContain('FAILED');
  });
});

describe('where people could make agents fail', () => {
  const spoilt = { seed: 1, faultsAllowed: true };

  test('a request that failed is no defect', () => {
    const ends = { ...load.ends, ready: 63, failed: 1 };
    const report = makeReport({ ...load, ends, leakedPages: 2 }, quiet, [], spoilt);
    expect(isGood(report)).toBe(true);
    expect(renderReport(report)).toContain('Agents failed, but no engine read a wrong byte.');
    expect(renderReport(makeReport(load, quiet, [], spoilt))).toContain('Every byte arrived');
  });

  test('a wrong byte and a broken promise still are', () => {
    expect(isGood(makeReport({ ...load, mismatches: ['a'] }, quiet, [], spoilt))).toBe(false);
    expect(isGood(makeReport(load, quiet, ['a second terminal event'], spoilt))).toBe(false);
  });
});

test('names a provider only when there was one', () => {
  expect(makeReport(load, { ...quiet, provider: 'tcp' }, [], unspoilt).provider).toBe('mixed');
});

test('the report of the demo is readable', () => {
  const text = renderReport(makeReport(load, quiet, [], unspoilt));
  expect(text.split('\n').map((line) => line.trimEnd().split(/ {2,}/))).toEqual(
    expect.arrayContaining([
      ['requests', '64'],
      ['deduplicated', '576, including 58 joined while another request wrote them'],
      ['', 'memcpy', '8 GB/s (data path: 0.75 of it)'],
      ['', 'one TCP stream', '4 GB/s (data path: 1.50 of it)'],
      ['mismatches', '0'],
      ['leaked pages', '0'],
      ['Every byte arrived, and every page is free again.'],
    ]),
  );
});

describe('the quiet phase', () => {
  test.each([
    ['all when there is room', 1024 * MIB, 3 * MIB, 8192 * MIB, 342],
    ['what fits beside the two files of memcpy', 1024 * MIB, 4 * MIB, 1536 * MIB + 1024 * MIB, 192],
    ['a quarter of a small room', 1024 * MIB, 4 * MIB, 400 * MIB, 25],
    ['nothing without room', 1024 * MIB, 4 * MIB, 0, 0],
  ])('the quiet phase moves %s', (_, wanted, chunkBytes, room, chunks) => {
    expect(quietChunks(wanted, chunkBytes, room)).toBe(chunks);
    expect(quietRoomBytes(chunks, chunkBytes)).toBeLessThanOrEqual(room);
  });
});
