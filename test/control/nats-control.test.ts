import { describe, expect, test } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { describeControl } from './control-contract.js';

describe.skipIf(natsServerMissing)(`with a real nats-server ${natsServerMissing ?? ''}`, () => {
  describeControl('NATS', {
    outages: true,
    open: async () => {
      const server = await TestNatsServer.start();
      return {
        connect: (name) => connectNats({ servers: server.url, name }),
        beginOutage: () => server.interrupt(),
        endOutage: () => server.restore(),
        close: () => server[Symbol.asyncDispose](),
      };
    },
  });

  describe('connectNats', () => {
    test('rejects disconnected when no server is there', async () => {
      const server = await TestNatsServer.start();
      await server[Symbol.asyncDispose]();
      await expect(connectNats({ servers: server.url, name: 'test' })).rejects.toMatchObject({
        name: 'KvferryError',
        code: 'disconnected',
        message: `no connection to NATS at ${server.url}: connection refused`,
      });
    });

    test('waits for a server that comes later', async () => {
      await using server = await TestNatsServer.start();
      await server.interrupt();
      const connecting = connectNats({ servers: server.url, name: 'test', connectTimeoutMs: 10_000 });
      await server.restore();
      await (await connecting).close();
    });

    test('takes user and password from the URL, and never shows them', async () => {
      await using server = await TestNatsServer.start('--user', 'ferry', '--pass', 's3cret');
      const host = server.url.slice('nats://'.length);
      const control = await connectNats({ servers: `nats://ferry:s3cret@${host}`, name: 'test' });
      await control.flush();
      await control.close();
      await expect(connectNats({ servers: `nats://ferry:wr0ng@${host}`, name: 'test' })).rejects.toSatisfy(
        (error: Error) =>
          error.message.startsWith(`no connection to NATS at ${server.url}: `) && !/wr0ng/.test(error.message),
      );
    });

    test('takes a token from the URL', async () => {
      await using server = await TestNatsServer.start('--auth', 't0ken');
      const control = await connectNats({
        servers: `nats://t0ken@${server.url.slice('nats://'.length)}`,
        name: 'test',
      });
      await control.flush();
      await control.close();
    });

    test('uses another server of the list when the first one is away', async () => {
      await using server = await TestNatsServer.start();
      const gone = await TestNatsServer.start();
      await gone[Symbol.asyncDispose]();
      const control = await connectNats({ servers: `${gone.url},${server.url}`, name: 'test' });
      await control.flush();
      await control.close();
    });
  });
});
