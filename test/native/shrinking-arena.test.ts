/** Engines can write to the arena's file, and so can truncate it, or punch holes into it, by mistake. */
import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { testedProviders, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { connectedPair } from './connected-pair.js';

const MiB = 2 ** 20;
const PAGES = 4;

/** How the file loses memory, and what the fabric says about it. */
const losses: readonly [name: string, lose: (arena: string) => void, reason: string][] = [
  ['made smaller', (arena) => truncateSync(arena, 4096), 'its file was made smaller'],
  [
    'made smaller and whole again',
    (arena) => {
      truncateSync(arena, 4096);
      truncateSync(arena, PAGES * MiB);
    },
    'its file has lost pages',
  ],
  [
    'given a hole',
    (arena) => spawnSync('fallocate', ['--punch-hole', '--offset', String(MiB), '--length', String(MiB), arena]),
    'its file has lost pages',
  ],
];

for (const provider of testedProviders(['same-host', 'tcp', 'libfabric-tcp', 'net'])) {
  const unavailable = whyNot(provider);
  const name = `the arena loses memory: ${provider} ${unavailable ?? ''}`;
  describe.skipIf(unavailable !== undefined)(name, () => {
    test.each(losses)(
      'P29: %s → it is reported, grants are revoked, and no more are given',
      async (_, lose, reason) => {
        const pair = await connectedPair(provider, { pageBytes: MiB, pages: PAGES });
        const { arena, segment, sender, receiver, connection } = pair;
        writeFileSync(segment, pattern('segment', PAGES * MiB));
        await sender.attachSegment('s', segment);
        lose(arena);
        expect(await receiver.arenaLost()).toBe(reason);
        await expect(receiver.grant(provider)).rejects.toMatchObject({
          code: 'arena_unavailable',
          message: `the arena has lost memory: ${reason}`,
        });
        const whole = { segment: 's', sourceOffset: 0, targetOffset: 0, length: PAGES * MiB };
        expect(await connection.write([whole]).done).toMatchObject({
          status: 'failed',
          code: 'write_rejected',
          bytes: 0,
        });
      },
    );
  });
}

/** Those that look at the arena before each copy. A device cannot. */
const looking: readonly NativeProvider[] = ['same-host', 'tcp'];

for (const provider of testedProviders(looking).filter((tested) => looking.includes(tested))) {
  const unavailable = whyNot(provider);
  describe.skipIf(unavailable !== undefined)(`a write at once: ${provider} ${unavailable ?? ''}`, () => {
    test.each(losses)('P29: %s → not delivered, also before it is reported', async (_, lose) => {
      const { arena, segment, sender, connection } = await connectedPair(provider, { pageBytes: MiB, pages: PAGES });
      writeFileSync(segment, pattern('segment', PAGES * MiB));
      await sender.attachSegment('s', segment);
      lose(arena);
      const start = { segment: 's', sourceOffset: 0, targetOffset: 0, length: 4096 };
      expect(await connection.write([start]).done).toMatchObject({
        status: 'failed',
        // The receiver may have revoked the grant already.
        code: expect.stringMatching(/^(?:fabric_error|write_rejected)$/),
      });
    });
  });
}
