/**
 * Sources that shrink while a thread reads them. The case is tried many times because it depends on where the reader is;
 * it passes every time or something is wrong.
 */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { connectedPair } from './connected-pair.js';

const MiB = 2 ** 20;
const segmentBytes = 16 * MiB;
const rounds = 25;
const tested: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp'];

for (const provider of tested) {
  const reason = whyNot(provider);
  const name = reason === undefined ? `a source shrinks: ${provider}` : `${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    test('in the middle of being read: the write fails, the connection stays', async () => {
      // Large slices: most of the time one is being read.
      const sizes = { pageBytes: segmentBytes, pages: 1, sliceBytes: 8 * MiB, windowBytes: 16 * MiB };
      const { arena, segment: path, sender, connection } = await connectedPair(provider, sizes);
      const whole = { segment: 's', sourceOffset: 0, targetOffset: 0, length: segmentBytes };
      for (let round = 0; round < rounds; round++) {
        rmSync(path, { force: true });
        writeFileSync(path, pattern(`round ${round}`, segmentBytes));
        await sender.attachSegment('s', path);
        expect(await connection.write([whole]).done).toEqual({ status: 'delivered', bytes: segmentBytes });
        expect(Buffer.compare(readFileSync(arena), pattern(`round ${round}`, segmentBytes))).toBe(0);
        const write = connection.write(Array(1000).fill(whole));
        truncateSync(path, round * 4096);
        expect(await write.done).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
        await sender.detachSegment('s');
      }
    });
  });
}
