/**
 * The bytes of one chunk in one round. They follow from these two numbers, so a receiver can check them. Every block of 4 KiB
 * begins with its number and continues with bytes that are unique to round and chunk. A check therefore detects bytes of an
 * earlier round, a chunk at the wrong place, and a block at the wrong place.
 */
import { createHash } from 'node:crypto';

const BLOCK_BYTES = 4096;

export function fillChunk(chunk: Buffer, round: number, number: number): void {
  const name = `round ${round} chunk ${number}`;
  chunk.fill(createHash('shake256', { outputLength: BLOCK_BYTES }).update(name).digest());
  for (let offset = 0; offset + BLOCK_BYTES <= chunk.length; offset += BLOCK_BYTES) {
    chunk.writeUInt32LE(offset / BLOCK_BYTES, offset);
  }
}
