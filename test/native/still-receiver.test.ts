/** A receiver that stands still, so that bytes are on their way for as long as a case needs. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricGrant } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress, testedProviders, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from './children.js';

const BYTES = 64 * 1024;
/** For the sender to hand everything to the kernel. The cases hold too when it is slower. */
const POST_MS = 100;

let facade: CompiledFacade;
beforeAll(() => {
  facade = new CompiledFacade();
});
afterAll(() => facade[Symbol.dispose]());

/** A connection to a receiver in a process of its own, over which one write has been delivered. */
async function connect(provider: NativeProvider) {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const receiver = new Child('receive.mjs', [facade.path, provider, directory]);
  const sender = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
  onTestFinished(async () => {
    await Promise.all([sender.close(), receiver.kill()]);
    rmSync(directory, { recursive: true });
  });
  const { endpoint, grant } = await receiver.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
  const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
  const segment = join(directory, 'segment');
  const attach = async (name: string) => {
    writeFileSync(segment, pattern(name, BYTES));
    await sender.attachSegment(name, segment);
    return () => connection.write([{ segment: name, sourceOffset: 0, targetOffset: 0, length: BYTES }]);
  };
  const write = await attach('segment');
  expect(await write().done).toEqual({ status: 'delivered', bytes: BYTES });
  return { receiver, write, attach, segment, arena: join(directory, 'arena') };
}

/** Those that read the source late. Others have copied it before they send. */
const late: readonly NativeProvider[] = ['same-host', 'tcp'];

for (const provider of testedProviders(late).filter((tested) => late.includes(tested))) {
  const reason = whyNot(provider);
  describe.skipIf(reason !== undefined)(`still receiver: ${provider} ${reason ?? ''}`, () => {
    test('P29: the source shrinks while bytes are on their way → not delivered', async () => {
      const { receiver, write, segment } = await connect(provider);
      await receiver.stop();
      const { done } = write();
      await delay(POST_MS);
      truncateSync(segment, 1000);
      receiver.continue();
      expect(await done).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
    });

    test.each([0, 1000])(
      'P26: cut to %i bytes before it is known → its own fault, until it is whole',
      async (bytes) => {
        const { receiver, attach, segment, arena } = await connect(provider);
        const write = await attach('another');
        await receiver.stop();
        const { done } = write();
        await delay(POST_MS);
        truncateSync(segment, bytes);
        receiver.continue();
        expect(await done).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
        writeFileSync(segment, pattern('whole again', BYTES));
        expect(await write().done).toEqual({ status: 'delivered', bytes: BYTES });
        expect(Buffer.compare(readFileSync(arena).subarray(0, BYTES), pattern('whole again', BYTES))).toBe(0);
      },
    );
  });
}

describe.skipIf(whyNot('same-host') !== undefined)('still receiver: a write that is stopped late', () => {
  test('everything was posted before → it is delivered', async () => {
    const { receiver, write, arena } = await connect('same-host');
    writeFileSync(arena, Buffer.alloc(BYTES), { flag: 'r+' });
    await receiver.stop();
    const stopped = write();
    // The sender posts at the end of a turn of the loop.
    await nextTurn();
    await nextTurn();
    stopped.stop();
    receiver.continue();
    expect(await stopped.done).toEqual({ status: 'delivered', bytes: BYTES });
    expect(Buffer.compare(readFileSync(arena).subarray(0, BYTES), pattern('segment', BYTES))).toBe(0);
  });
});
