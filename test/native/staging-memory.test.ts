/** The memory from which a connection of libfabric writes: no more than the window, whatever is written, and given back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { testedProviders, whyNot } from '../contract/native-harness.js';
import { Child, CompiledFacade } from './children.js';

/** The default window, and what JavaScript and libfabric take on the way. */
const WINDOW_MIB = 16;
const SLACK_MIB = 24;

for (const provider of testedProviders(['libfabric-tcp', 'net'])) {
  const reason = whyNot(provider);
  describe.skipIf(reason !== undefined)(`staging memory: ${provider} ${reason ?? ''}`, () => {
    let facade: CompiledFacade;
    beforeAll(() => {
      facade = new CompiledFacade();
    });
    afterAll(() => facade[Symbol.dispose]());

    test('T26: pieces of all sizes → memory within the window, given back when idle', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const child = new Child('creep.mjs', [facade.path, provider, directory]);
      const { writing, after } = await child.line<{ writing: number; after: number }>();
      await child.ended;
      expect(writing).toBeLessThan(WINDOW_MIB + SLACK_MIB);
      expect(after).toBeLessThan(SLACK_MIB);
    });
  });
}
