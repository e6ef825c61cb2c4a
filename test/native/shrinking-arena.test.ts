/** Engines can write to the arena's file, and so can truncate it by mistake. */
import { truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { connectedPair } from './connected-pair.js';

const MiB = 2 ** 20;
const expected = { 'same-host': 'fabric_error', 'libfabric-tcp': 'connection_lost' } as const;

for (const provider of ['same-host', 'libfabric-tcp'] as const satisfies NativeProvider[]) {
  const reason = whyNot(provider);
  const name = reason === undefined ? `the arena shrinks: ${provider}` : `${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    test('writes fail, and nobody crashes', async () => {
      const pair = await connectedPair(provider, { pageBytes: MiB, pages: 4 });
      const { arena, segment, sender, receiver, grant, connection } = pair;
      writeFileSync(segment, pattern('segment', 4 * MiB));
      await sender.attachSegment('s', segment);
      truncateSync(arena, 4096);
      const whole = { segment: 's', sourceOffset: 0, targetOffset: 0, length: 4 * MiB };
      expect(await connection.write([whole]).done).toMatchObject({ status: 'failed', code: expected[provider] });
      await receiver.revoke(grant.id);
    });
  });
}
