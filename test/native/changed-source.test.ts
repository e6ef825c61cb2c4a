/** The file of an attached segment changes between two writes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';

const BYTES = 2 ** 20;
const tested: readonly NativeProvider[] = ['same-host', 'tcp'];

for (const provider of tested) {
  const reason = whyNot(provider);
  const name = reason === undefined ? `a source changes: ${provider}` : `${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    test('T23: filled again, made smaller, with a hole → what is there, or the reason', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      const options = { providers: [provider], socketDirectory: directory };
      const receiver = await openNativeFabric(options);
      const sender = await openNativeFabric(options);
      onTestFinished(async () => {
        await Promise.all([sender.close(), receiver.close()]);
        rmSync(directory, { recursive: true });
      });
      const arena = join(directory, 'arena');
      await receiver.createArena({ path: arena, pageBytes: BYTES, pages: 1 });
      const grant = await receiver.grant(provider);
      const connection = await sender.connect(receiver.endpoints()[0] as FabricEndpoint, grant, { timeoutMs: 10_000 });
      const path = join(directory, 'segment');
      const send = () => connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length: BYTES }]).done;
      const sendAll = async () => {
        expect(await send()).toEqual({ status: 'delivered', bytes: BYTES });
        expect(Buffer.compare(readFileSync(arena), readFileSync(path))).toBe(0);
      };
      writeFileSync(path, pattern('first', BYTES));
      await sender.attachSegment('s', path);
      await sendAll();
      writeFileSync(path, pattern('filled again', BYTES));
      await sendAll();
      truncateSync(path, BYTES / 2);
      expect(await send()).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
      writeFileSync(path, pattern('whole again', BYTES));
      await sendAll();
      const hole = ['--punch-hole', '--offset', String(BYTES / 4), '--length', String(BYTES / 2), path];
      expect(spawnSync('fallocate', hole).status).toBe(0);
      await sendAll();
    });
  });
}
