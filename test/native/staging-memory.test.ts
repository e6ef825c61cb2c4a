/** The memory from which a connection of libfabric writes: no more than the window, whatever is written, and given back. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricGrant } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { compile } from '../contract/device/cuda-engine.js';
import { bindAddress, testedProviders, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from './children.js';

/** The default window, and what JavaScript and libfabric take on the way. */
const WINDOW_MIB = 16;
const SLACK_MIB = 24;
const MiB = 2 ** 20;
/** Longer than a connection that writes nothing keeps its memory. */
const IDLE_MS = 2200;

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
      const failed = (message: string) => ({
        status: 'failed',
        code: 'segment_invalid',
        bytes: 0,
        drained: true,
        message: `segment s: ${message}`,
      });
      expect(await child.line()).toEqual([
        delivered,
        failed('reading the source file: Input/output error'),
        failed('the source file was made smaller'),
        delivered,
      ]);
      await child.ended;
    });

    test('P29: a receiver stands still for long → what it gets then is what the source had', async () => {
      const directory = mkdtempSync('/dev/shm/kvferry-test-');
      const bytes = WINDOW_MIB * MiB;
      const receiver = new Child('receive.mjs', [facade.path, provider, directory, String(WINDOW_MIB)]);
      const sender = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
      onTestFinished(async () => {
        await Promise.all([sender.close(), receiver.kill()]);
        rmSync(directory, { recursive: true });
      });
      const { endpoint, grant } = await receiver.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
      const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
      writeFileSync(join(directory, 'segment'), pattern('late', bytes));
      await sender.attachSegment('s', join(directory, 'segment'));
      const write = (length: number) =>
        connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length }]).done;
      expect(await write(1)).toEqual({ status: 'delivered', bytes: 1 });
      await receiver.stop();
      const late = write(bytes);
      await delay(IDLE_MS);
      receiver.continue();
      expect(await late).toEqual({ status: 'delivered', bytes });
      expect(Buffer.compare(readFileSync(join(directory, 'arena')), pattern('late', bytes))).toBe(0);
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
