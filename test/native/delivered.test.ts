/**
 * Delivered means: in the file that engines map. A receiver that is stopped takes nothing, but the kernel keeps what was sent to
 * it, so a write that counted as delivered when it was sent would be reported now. (A device writes without the process: there
 * a read behind the writes is answered by the other device.)
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricGrant } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from './children.js';

const BYTES = 16 * 1024;
/** Later writes of the same sender to another receiver. When they are delivered, its thread has had every chance to report. */
const LATER_WRITES = 50;
const tested: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp', 'net'];

for (const provider of tested) {
  const reason = whyNot(provider);
  describe.skipIf(reason !== undefined)(`delivered: ${provider} ${reason ?? ''}`, () => {
    let facade: CompiledFacade;
    beforeAll(() => {
      facade = new CompiledFacade();
    });
    afterAll(() => facade[Symbol.dispose]());

    test('P29: the receiver is stopped → delivered only when it has the bytes', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      const receiver = new Child('receive.mjs', [facade.path, provider, directory]);
      const sender = await openNativeFabric({ bindAddress, providers: [provider], socketDirectory: directory });
      onTestFinished(async () => {
        await Promise.all([sender.close(), receiver.kill()]);
        rmSync(directory, { recursive: true });
      });
      const { endpoint, grant } = await receiver.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
      const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
      writeFileSync(join(directory, 'segment'), pattern('first', BYTES));
      await sender.attachSegment('s', join(directory, 'segment'));
      const other = await openNativeFabric({ bindAddress, providers: [provider], socketDirectory: directory });
      onTestFinished(() => other.close());
      await other.createArena({ path: join(directory, 'other-arena'), pageBytes: BYTES, pages: 1 });
      const second = await sender.connect(other.endpoints()[0] as FabricEndpoint, await other.grant(provider), {
        timeoutMs: patient(10_000),
      });
      const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: BYTES }];
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: BYTES });

      await receiver.stop();
      writeFileSync(join(directory, 'segment'), pattern('second', BYTES), { flag: 'r+' });
      const { done } = connection.write(items);
      for (let later = 0; later < LATER_WRITES; later += 1) {
        expect(await second.write(items).done).toEqual({ status: 'delivered', bytes: BYTES });
      }
      expect(await Promise.race([done, Promise.resolve('not yet')])).toBe('not yet');
      receiver.continue();
      expect(await done).toEqual({ status: 'delivered', bytes: BYTES });
      const arrived = readFileSync(join(directory, 'arena')).subarray(0, BYTES);
      expect(Buffer.compare(arrived, pattern('second', BYTES))).toBe(0);
    });
  });
}
