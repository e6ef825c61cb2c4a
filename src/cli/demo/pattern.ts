/**
 * Derives the bytes of a chunk from its key, so that a reader that has the key can check them. Every block of 4 KiB starts
 * with its number. The rest of the block is the same in all blocks, and unique to the key. A check therefore detects a block
 * at the wrong place, a page of another key, old bytes, and a flipped bit.
 */
import { createHash } from 'node:crypto';

const BLOCK_BYTES = 4096;
/** The number of a block, at its start. */
const STAMP_BYTES = 4;

export interface Mismatch {
  /** Offset of the first wrong byte. */
  readonly offset: number;
  readonly expected: number;
  readonly actual: number;
}

/** Fills `page` with the bytes of `key`. */
export function fillPage(page: Buffer, key: string): void {
  page.fill(createHash('shake256', { outputLength: BLOCK_BYTES }).update(key).digest());
  for (let offset = 0; offset + STAMP_BYTES <= page.length; offset += BLOCK_BYTES) {
    page.writeUInt32LE(offset / BLOCK_BYTES, offset);
  }
}

/** The first byte of `page` that differs from `fillPage`, or undefined. `scratch` must be at least as long as `page`. */
export function findMismatch(page: Buffer, key: string, scratch: Buffer): Mismatch | undefined {
  const expected = scratch.subarray(0, page.length);
  fillPage(expected, key);
  if (page.equals(expected)) return undefined;
  const offset = page.findIndex((byte, index) => byte !== expected[index]);
  return { offset, expected: expected[offset] as number, actual: page[offset] as number };
}
