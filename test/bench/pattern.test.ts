import { expect, test } from 'vitest';
import { fillChunk } from '../../bench/data/pattern.js';

const BLOCK_BYTES = 4096;

function chunk(round: number, number: number): Buffer {
  const bytes = Buffer.alloc(4 * BLOCK_BYTES);
  fillChunk(bytes, round, number);
  return bytes;
}

test('gives each round, each chunk and each block bytes of its own', () => {
  expect(chunk(1, 1).equals(chunk(1, 1))).toBe(true);
  expect(chunk(1, 1).equals(chunk(2, 1))).toBe(false);
  expect(chunk(1, 1).equals(chunk(1, 2))).toBe(false);
  const blocks = Array.from({ length: 4 }, (_, block) =>
    chunk(1, 1).subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES),
  );
  expect(new Set(blocks.map((block) => block.toString('hex'))).size).toBe(4);
});
