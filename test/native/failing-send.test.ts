/** P5: a socket fails at the sender. The receiver may still copy what it was asked for before. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nativeStatus } from '../../src/native/native-status.js';
import { compile } from '../contract/device/cuda-engine.js';
import { Child, CompiledFacade } from './children.js';

const { addon } = nativeStatus();

describe.skipIf(!addon)('a socket that fails at the sender', () => {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('P5: a send fails while the receiver is stopped → no write counts as drained', async () => {
    using facade = new CompiledFacade();
    const library = join(directory, 'failing-send.so');
    compile('failing-send.cc', library, '-shared', '-fPIC');
    writeFileSync(join(directory, 'segment'), Buffer.alloc(4096, 'Z'));
    const receiver = new Child('receive.mjs', [facade.path, 'same-host', directory]);
    const { endpoint, grant } = await receiver.line<{ endpoint: unknown; grant: unknown }>();
    const env = { LD_PRELOAD: library, KVFERRY_FAIL_SENDS: join(directory, 'fail') };
    const args = [facade.path, directory, JSON.stringify(endpoint), JSON.stringify(grant)];
    const sender = new Child('send-twice.mjs', args, [], env);
    try {
      expect(await sender.line()).toEqual({ outcome: { status: 'delivered', bytes: 4096 } });
      await receiver.stop();
      sender.tell({});
      const lost = {
        status: 'failed',
        bytes: 0,
        code: 'connection_lost',
        message: 'the socket to the receiver failed',
        drained: false,
      };
      expect(await sender.line()).toEqual({ first: lost, second: expect.objectContaining({ status: 'failed' }) });
    } finally {
      receiver.continue();
      await Promise.all([receiver.kill(), sender.kill()]);
    }
  });
});
