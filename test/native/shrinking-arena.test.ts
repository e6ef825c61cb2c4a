/** Engines can write to the arena's file, and so can truncate it by mistake. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';

const MiB = 2 ** 20;
const expected = { 'same-host': 'fabric_error', tcp: 'connection_lost' } as const;

for (const provider of ['same-host', 'tcp'] as const satisfies NativeProvider[]) {
  const reason = whyNot(provider);
  const name = reason === undefined ? `the arena shrinks: ${provider}` : `${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    test('writes fail, and nobody crashes', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      const options = { providers: [provider], socketDirectory: directory };
      const receiver = await openNativeFabric(options);
      const sender = await openNativeFabric(options);
      onTestFinished(async () => {
        await Promise.all([sender.close(), receiver.close()]);
        rmSync(directory, { recursive: true });
      });
      await receiver.createArena({ path: join(directory, 'arena'), pageBytes: MiB, pages: 4 });
      writeFileSync(join(directory, 'segment'), pattern('segment', 4 * MiB));
      await sender.attachSegment('s', join(directory, 'segment'));
      const grant = await receiver.grant(provider);
      const connection = await sender.connect(receiver.endpoints()[0] as FabricEndpoint, grant, { timeoutMs: 10_000 });
      truncateSync(join(directory, 'arena'), 4096);
      const whole = { segment: 's', sourceOffset: 0, targetOffset: 0, length: 4 * MiB };
      expect(await connection.write([whole]).done).toMatchObject({ status: 'failed', code: expected[provider] });
      await receiver.revoke(grant.id);
    });
  });
}
