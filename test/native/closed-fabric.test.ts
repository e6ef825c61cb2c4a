/** A fabric that is closed has given everything back, before anything is collected. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nativeProviders } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { bindAddress } from '../contract/native-harness.js';

const descriptors = () => readdirSync('/proc/self/fd').length;

test.each(nativeProviders)('%s: fabrics are closed → their descriptors are closed', async (provider) => {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const openAndClose = async (name: string) => {
    const fabric = await openNativeFabric({ bindAddress, providers: [provider], socketDirectory: directory });
    await fabric.createArena({ path: join(directory, name), pageBytes: 4096, pages: 1 });
    await fabric.close();
    return fabric;
  };
  // A library keeps what it opens at its first use.
  const first = await openAndClose('first');
  const before = descriptors();
  const fabrics = [first, await openAndClose('second'), await openAndClose('third')];
  expect({ fabrics: fabrics.length, descriptors: descriptors() }).toEqual({ fabrics: 3, descriptors: before });
});
