/** Sources that engines make with memfd_create, attached by a path in /proc, where the agent allows it. They have no file in any directory. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress, whyNot } from '../contract/native-harness.js';
import { Engine } from './children.js';

const MiB = 2 ** 20;
const hasPython = spawnSync('python3', ['--version']).status === 0;
const tested: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp'];

for (const provider of tested) {
  const reason = whyNot(provider) ?? (hasPython ? undefined : 'no python3');
  const name = reason === undefined ? `memfd: ${provider}` : `memfd: ${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    test.each(['sealed', 'unsealed'] as const)('%s, is delivered', async (kind) => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      const engine = new Engine(MiB, kind);
      const options = { bindAddress, providers: [provider], socketDirectory: directory, segmentDirectories: ['/proc'] };
      const receiver = await openNativeFabric(options);
      const sender = await openNativeFabric(options);
      onTestFinished(async () => {
        engine.end();
        await Promise.all([sender.close(), receiver.close()]);
        rmSync(directory, { recursive: true });
      });
      const arena = join(directory, 'arena');
      await receiver.createArena({ path: arena, pageBytes: MiB, pages: 2 });
      expect(await sender.attachSegment('s', await engine.path())).toEqual({ bytes: MiB, file: expect.any(String) });
      const grant = await receiver.grant(provider);
      const connection = await sender.connect(receiver.endpoints()[0] as FabricEndpoint, grant, {
        timeoutMs: patient(10_000),
      });
      const items = [{ segment: 's', sourceOffset: 0, targetOffset: MiB, length: MiB }];
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: MiB });
      const expected = Buffer.from(Array.from({ length: MiB }, (_, index) => index % 251));
      expect(Buffer.compare(readFileSync(arena).subarray(MiB), expected)).toBe(0);
    });
  });
}
