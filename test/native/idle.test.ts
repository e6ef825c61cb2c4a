/** A fabric that has nothing to do does nothing: its threads sleep until something comes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { useEfaStandIn } from './efa-stand-in.js';

const pageBytes = 64 * 1024;
/** How long it is watched. A thread that spins takes all of it. */
const WATCHED_MS = 500;
const MICROSECONDS = 1000;
/** Longer than a connection of libfabric that writes nothing keeps its memory. */
const LONG_MS = 2200;

const withoutEfa = useEfaStandIn();

describe.each([
  ['tcp', 0],
  ['same-host', 0],
  ['libfabric-tcp', 0],
  ['libfabric-tcp', LONG_MS],
  ['net', LONG_MS],
  ['efa', LONG_MS],
] as const)('%s, after %i ms', (provider, afterMs) => {
  const reason = provider === 'efa' ? withoutEfa : whyNot(provider);

  test.skipIf(reason !== undefined)('a fabric whose write has ended uses no processor time', async () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const [receiver, sender] = [
      await openNativeFabric({ bindAddress, providers: [provider] }),
      await openNativeFabric({ bindAddress, providers: [provider] }),
    ];
    try {
      await receiver.createArena({ path: join(directory, 'arena'), pageBytes, pages: 1 });
      writeFileSync(join(directory, 'segment'), pattern('idle', pageBytes));
      await sender.attachSegment('s', join(directory, 'segment'));
      const endpoint = receiver.endpoints()[0] as FabricEndpoint;
      const connection = await sender.connect(endpoint, await receiver.grant(provider), { timeoutMs: patient(10_000) });
      const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: pageBytes }];
      expect(await connection.write(items).done).toMatchObject({ status: 'delivered' });
      await delay(afterMs);
      const before = process.cpuUsage();
      await delay(WATCHED_MS);
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / MICROSECONDS).toBeLessThan(WATCHED_MS / 2);
    } finally {
      await Promise.all([sender.close(), receiver.close()]);
      rmSync(directory, { recursive: true });
    }
  });
});
