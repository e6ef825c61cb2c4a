/**
 * The bytes of a chunk, derived from its key, so that a reader that has the key can check them. Every block of 4 KiB starts with its
 * number and goes on with the same bytes, unique to the key: a block at the wrong place, a page of another key, old
 * bytes and a flipped bit all show.
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
