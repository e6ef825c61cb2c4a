/** The memory from which a connection of libfabric writes: no more than the window, whatever is written, and given back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { compile } from '../contract/device/cuda-engine.js';
import { testedProviders, whyNot } from '../contract/native-harness.js';
import { Child, CompiledFacade } from './children.js';

/** The default window, and what JavaScript and libfabric take on the way. */
const WINDOW_MIB = 16;
const SLACK_MIB = 24;
const MiB = 2 ** 20;

for (const provider of testedProviders(['libfabric-tcp', 'net'])) {
  const reason = whyNot(provider);
  describe.skipIf(reason !== undefined)(`staging memory: ${provider} ${reason ?? ''}`, () => {
    let facade: CompiledFacade;
    beforeAll(() => {
      facade = new CompiledFacade();
    });
    afterAll(() => facade[Symbol.dispose]());

    test('P26: a source cannot be read → that write fails, a later one is delivered', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const library = join(directory, 'failing-read.so');
      compile('failing-read.cc', library, '-shared', '-fPIC');
      const env = { LD_PRELOAD: library, KVFERRY_FAIL_READS: join(directory, 'fail') };
      const child = new Child('failing-read.mjs', [facade.path, provider, directory], [], env);
      const delivered = { status: 'delivered', bytes: MiB };
      expect(await child.line()).toEqual([
        delivered,
        {
          status: 'failed',
          code: 'segment_invalid',
          bytes: 0,
          drained: true,
          message: 'segment s: reading the source file: Input/output error',
        },
        delivered,
      ]);
      await child.ended;
    });

    test('T26: pieces of all sizes → memory within the window, given back when idle', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const child = new Child('creep.mjs', [facade.path, provider, directory]);
      const { writing, after } = await child.line<{ writing: number; after: number }>();
      await child.ended;
      expect(writing).toBeLessThan(WINDOW_MIB + SLACK_MIB);
      // Without the window.
      expect(after).toBeLessThan(WINDOW_MIB / 2);
    });
  });
}
