/** Sources on huge pages. Their memory comes and goes in huge pages, so less than one cannot be replaced under a copy. */
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { whyNot } from '../contract/native-harness.js';
import { Engine } from './children.js';
import { connectedPair } from './connected-pair.js';

const HUGE_PAGE = 2 * 2 ** 20;
const PAGES = 4;
const ROUNDS = 40;
const tested: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp'];

function whyNoHugePages(): string | undefined {
  const free = Number(/^HugePages_Free:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
  return free < PAGES ? `${PAGES} huge pages are needed, ${free} are free (vm.nr_hugepages)` : undefined;
}

for (const provider of tested) {
  const reason = whyNot(provider) ?? whyNoHugePages();
  describe.skipIf(reason !== undefined)(`huge pages: ${provider} ${reason ?? ''}`, () => {
    test('T23: delivered; truncated while it is read → the write fails, we live', async () => {
      const bytes = PAGES * HUGE_PAGE;
      const { sender, connection, arena } = await connectedPair(provider, {
        ...{ pageBytes: bytes, pages: 1, segmentDirectories: ['/proc'] },
      });
      const engine = new Engine(bytes, 'huge');
      onTestFinished(() => engine.end());
      await sender.attachSegment('s', await engine.path());
      const whole = { segment: 's', sourceOffset: 0, targetOffset: 0, length: bytes };
      expect(await connection.write([whole]).done).toEqual({ status: 'delivered', bytes });
      expect(readFileSync(arena).every((byte, at) => byte === at % 251)).toBe(true);
      for (let round = 0; round < ROUNDS; round += 1) {
        const write = connection.write(Array(10_000).fill(whole));
        await engine.resize(0);
        expect(await write.done).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
        await engine.resize(bytes);
        expect(await connection.write([whole]).done).toEqual({ status: 'delivered', bytes });
      }
    });
  });
}
