import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { probeNats } from '../../src/control/nats-probe.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';

async function server(...args: string[]): Promise<TestNatsServer> {
  const started = await TestNatsServer.start(...args);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

describe.skipIf(natsServerMissing)(`the probe of a NATS server ${natsServerMissing ?? ''}`, () => {
  test('tells what the server says of itself, and how far away it is', async () => {
    const { url } = await server('--name', 'n1');
    const facts = await probeNats({ servers: url, name: 'test' });
    expect(facts).toMatchObject({ server: 'n1', payloadBytesMax: 1024 ** 2, jetStream: undefined });
    expect(facts.version).toMatch(/^\d+\.\d+/);
    expect(facts.roundTripsMs).toHaveLength(20);
    expect(facts.roundTripsMs.filter((milliseconds) => milliseconds > 0)).toHaveLength(20);
  });

  test('the probe of a server with JetStream says so', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kvferry-jetstream-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const { url } = await server('--jetstream', '--store_dir', directory);
    expect((await probeNats({ servers: url, name: 'test' })).jetStream).toEqual({ streams: 0 });
  });

  test('brings the credentials of the address', async () => {
    const { url } = await server('--user', 'u', '--pass', 'secret');
    const address = (credentials: string) => url.replace('nats://', `nats://${credentials}@`);
    expect((await probeNats({ servers: address('u:secret'), name: 'test' })).payloadBytesMax).toBe(1024 ** 2);
    await expect(probeNats({ servers: address('u:wrong'), name: 'test' })).rejects.toMatchObject({
      code: 'disconnected',
      message: `no connection to NATS at ${url}: Authorization Violation: give a user by --nats-creds or --nats-nkey, or the right user and password in the URL`,
    });
  });

  test('is refused where nobody listens', async () => {
    const gone = await TestNatsServer.start();
    await gone[Symbol.asyncDispose]();
    await expect(probeNats({ servers: gone.url, name: 'test' })).rejects.toMatchObject({
      code: 'disconnected',
      message: `no connection to NATS at ${gone.url}: connection refused`,
    });
  });
});
