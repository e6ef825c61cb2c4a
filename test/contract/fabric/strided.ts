/** Writing from pieces of a segment, as a paged KV cache has them. The oracle gathers the pieces with a plain loop. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WriteItem } from '../../../src/ports/fabric.js';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { expectSame, item, KiB, MiB, pageBytes } from './writes.js';

const RUNS = 15;
const SOURCE_BYTES = 64 * KiB;
const TARGET_BYTES = 256 * KiB;

export function describeStrided(fabrics: Fabrics): void {
  describe('writing from pieces', () => {
    test.each([
      ['small', 3, 1, 7],
      ['adjacent', 3000, 7, 7],
      ['many', 5000, 16, 40],
      ['usual', 64, 4 * KiB, 32 * KiB],
      ['large', 20, 100 * KiB + 1, 128 * KiB],
      ['very large', 3, 5 * MiB + 5, 6 * MiB],
    ])('pieces that are %s → they land one behind the other', async (_, count, piece, stride) => {
      const length = count * piece;
      const { path, sender, connection } = await fabrics.openPair({ pageBytes: length + 100, pages: 1 });
      const source = pattern('source', 7 + (count - 1) * stride + piece);
      await fabrics.attach(sender, 's', source);
      const strided = { ...item('s', 7, 33, length), pieces: { count, stride } };
      expect(await connection.write([strided]).done).toEqual({ status: 'delivered', bytes: length });
      const arena = fabrics.harness.readFile(path);
      expectSame(arena.subarray(33, 33 + length), gathered(source, strided));
      expectSame(arena.subarray(0, 33), new Uint8Array(33));
      expectSame(arena.subarray(33 + length), new Uint8Array(67));
    });

    test('pieces right behind a range, at both ends → they are not read as one range', async () => {
      const { path, sender, connection } = await fabrics.openPair();
      const source = pattern('source', 16 * KiB);
      await fabrics.attach(sender, 's', source);
      const pieces = { ...item('s', 100, 100, 300), pieces: { count: 3, stride: 1000 } };
      const behind = item('s', 2200, 400, 50);
      expect(await connection.write([item('s', 0, 0, 100), pieces, behind]).done).toEqual({
        status: 'delivered',
        bytes: 450,
      });
      const wanted = [source.subarray(0, 100), gathered(source, pieces), gathered(source, behind)];
      expectSame(fabrics.harness.readFile(path, { offset: 0, length: 450 }), Buffer.concat(wanted));
    });

    test('random pieces and ranges in one write → what a plain loop gathers', async () => {
      const { path, sender, connection } = await fabrics.openPair({ pageBytes: TARGET_BYTES, pages: 1 });
      const source = pattern('source', SOURCE_BYTES);
      await fabrics.attach(sender, 's', source);
      const expected = new Uint8Array(TARGET_BYTES);
      await fc.assert(
        fc.asyncProperty(fc.array(shape, { maxLength: 12 }), async (shapes) => {
          const items = laidOut(shapes);
          for (const strided of items) expected.set(gathered(source, strided), strided.targetOffset);
          const bytes = items.reduce((sum, { length }) => sum + length, 0);
          expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes });
          expectSame(fabrics.harness.readFile(path), expected);
        }),
        { numRuns: RUNS, seed: 7 },
      );
    });

    test.each([
      ['that do not divide the length', 100, { count: 3, stride: 100 }],
      ['of no number', 100, { count: Number.NaN, stride: 100 }],
      ['without end', 100, { count: Number.POSITIVE_INFINITY, stride: 100 }],
      ['of no count', 100, { count: 0, stride: 100 }],
      ['of negative count', 100, { count: -1, stride: 100 }],
      ['that overlap', 100, { count: 2, stride: 49 }],
      ['of half a byte', 100, { count: 2, stride: 50.5 }],
      ['that run backwards', 100, { count: 2, stride: -50 }],
      ['of which the last ends one byte too late', 100, { count: 2, stride: pageBytes - 49 }],
      ['far beyond the end', 100, { count: 100, stride: Number.MAX_SAFE_INTEGER }],
    ])('pieces %s → nothing of the write lands', async (_, length, pieces) => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes));
      const unchanged = fabrics.fill(pair, 'canary');
      const outcome = await pair.connection.write([item('s', 0, 0, 100), { ...item('s', 0, 200, length), pieces }])
        .done;
      expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', bytes: 0, drained: true });
      unchanged();
      expect(await pair.connection.write([item('s', 0, 0, 10)]).done).toEqual({ status: 'delivered', bytes: 10 });
    });

    test.skipIf(fabrics.onDevice)('a file that no longer has the last piece → segment_invalid', async () => {
      const { sender, connection } = await fabrics.openPair();
      const path = await fabrics.attach(sender, 's', pattern('s', 16 * KiB));
      fabrics.harness.truncate(path, 8 * KiB);
      const strided = { ...item('s', 0, 0, 1024), pieces: { count: 2, stride: 15 * KiB } };
      const outcome = await connection.write([strided]).done;
      expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
    });
  });
}

interface Shape {
  readonly offset: number;
  readonly piece: number;
  readonly count: number;
  readonly gap: number;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  offset: fc.nat(10_000),
  piece: fc.integer({ min: 1, max: 400 }),
  count: fc.integer({ min: 1, max: 40 }),
  gap: fc.nat(900),
});

/** Items that follow each other in the arena. */
function laidOut(shapes: readonly Shape[]): WriteItem[] {
  let targetOffset = 0;
  return shapes.map(({ offset, piece, count, gap }) => {
    const strided = { ...item('s', offset, targetOffset, piece * count), pieces: { count, stride: piece + gap } };
    targetOffset += piece * count;
    return strided;
  });
}

function gathered(source: Uint8Array, { sourceOffset, length, pieces }: WriteItem): Uint8Array {
  const { count, stride } = pieces ?? { count: 1, stride: length };
  const bytes = new Uint8Array(length);
  const piece = length / count;
  for (let index = 0; index < count; index++) {
    const from = sourceOffset + index * stride;
    bytes.set(source.subarray(from, from + piece), index * piece);
  }
  return bytes;
}
