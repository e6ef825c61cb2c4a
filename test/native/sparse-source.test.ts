/** A source file with holes. Reading a hole of a file in memory takes memory, so no more of it is touched than is sent. */
import { closeSync, ftruncateSync, openSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { whyNot } from '../contract/native-harness.js';
import { connectedPair } from './connected-pair.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 64 * KIB;
const CHUNKS = 16;
/** Of a block as `stat` counts it. */
const BLOCK_BYTES = 512;

test('P28: 16 pieces of 64 KiB in a sparse file → 1 MiB of memory', async ({ skip }) => {
  const reason = whyNot('same-host');
  if (reason !== undefined) skip(reason);
  const { segment, sender, connection } = await connectedPair('same-host', { pageBytes: CHUNK, pages: CHUNKS });
  const file = openSync(segment, 'w');
  ftruncateSync(file, CHUNKS * 4 * MIB);
  closeSync(file);
  await sender.attachSegment('s', segment);
  const items = Array.from({ length: CHUNKS }, (_, chunk) => ({
    ...{ segment: 's', sourceOffset: chunk * 4 * MIB, targetOffset: chunk * CHUNK, length: CHUNK },
  }));
  expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: MIB });
  expect(statSync(segment).blocks * BLOCK_BYTES).toBe(MIB);
});
