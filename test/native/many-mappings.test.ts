/** Segments that are together larger than an address space: the receiver maps those that it reads now. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { whyNot } from '../contract/native-harness.js';

/** Eight of them fill the 47 bits of an address space. */
const SEGMENT_BYTES = 2 ** 44;
const SEGMENTS = 12;
const reason = whyNot('same-host');

describe.skipIf(reason !== undefined)(`many mappings ${reason ?? ''}`, () => {
  test('the receiver cannot map one more → it forgets the oldest, and reads each', async () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const options = { providers: ['same-host'], socketDirectory: directory } as const;
    const receiver = await openNativeFabric(options);
    const sender = await openNativeFabric(options);
    onTestFinished(async () => {
      await Promise.all([sender.close(), receiver.close()]);
      rmSync(directory, { recursive: true });
    });
    await receiver.createArena({ path: join(directory, 'arena'), pageBytes: 4096, pages: 1 });
    const endpoint = receiver.endpoints()[0] as FabricEndpoint;
    const connection = await sender.connect(endpoint, await receiver.grant('same-host'), {
      timeoutMs: patient(10_000),
    });
    const names = Array.from({ length: SEGMENTS }, (_, index) => `s${index}`);
    for (const name of names) {
      const path = join(directory, name);
      writeFileSync(path, name.padEnd(100, name));
      truncateSync(path, SEGMENT_BYTES);
      await sender.attachSegment(name, path);
    }
    for (const name of [...names, ...names]) {
      const write = connection.write([{ segment: name, sourceOffset: 0, targetOffset: 0, length: 100 }]);
      expect(await write.done).toEqual({ status: 'delivered', bytes: 100 });
    }
  });
});
