/** Two native fabrics, connected for writes. They are closed, and their directory is removed, at the end of the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { NativeFabricOptions, NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress } from '../contract/native-harness.js';

/** `options`: of both fabrics, apart from the provider and the directory. */
export async function connectedPair(
  provider: NativeProvider,
  { pageBytes, pages, ...options }: { pageBytes: number; pages: number } & Partial<NativeFabricOptions>,
) {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const all = { bindAddress, ...options, providers: [provider], socketDirectory: directory };
  const receiver = await openNativeFabric(all);
  const sender = await openNativeFabric(all);
  onTestFinished(async () => {
    await Promise.all([sender.close(), receiver.close()]);
    rmSync(directory, { recursive: true });
  });
  const arena = join(directory, 'arena');
  await receiver.createArena({ path: arena, pageBytes, pages });
  const grant = await receiver.grant(provider);
  const connection = await sender.connect(receiver.endpoints()[0] as FabricEndpoint, grant, {
    timeoutMs: patient(10_000),
  });
  return { arena, segment: join(directory, 'segment'), sender, receiver, grant, connection };
}
