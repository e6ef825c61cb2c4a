/** Writes that the cases of the fabric contract post, and the sizes that they agree on. */
import { expect } from 'vitest';
import type { FabricConnection, WriteItem, WriteOutcome } from '../../../src/ports/fabric.js';
import { patient } from '../../../src/processes/patience.js';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const pageBytes = 64 * KiB;
export const pages = 16;
export const timeoutMs = patient(10_000);
/** Larger than any machine that runs tests. */
export const tooManyBytes = 2 ** 50;

export function item(segment: string, sourceOffset: number, targetOffset: number, length: number): WriteItem {
  return { segment, sourceOffset, targetOffset, length };
}

/** The whole segment to the whole arena, over and over. */
export function repeated(segment: string, bytes: number): WriteItem[] {
  const once = pageBytes * pages;
  return Array.from({ length: bytes / once }, () => item(segment, 0, 0, once));
}

/** Keeps a write in flight until one is not delivered. */
export async function writeUntilItEnds(connection: FabricConnection, segment: string): Promise<WriteOutcome> {
  for (;;) {
    const outcome = await connection.write(repeated(segment, 64 * MiB)).done;
    if (outcome.status !== 'delivered') return outcome;
  }
}

/** Compares without printing megabytes. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  const at = Buffer.compare(actual, expected) === 0 ? -1 : actual.findIndex((byte, index) => byte !== expected[index]);
  expect(at, 'first byte that differs').toBe(-1);
}
