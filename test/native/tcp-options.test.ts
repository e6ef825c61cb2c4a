/** Ports, streams and encryption of the provider tcp. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as secureConnect } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NativeFabricOptions } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricPort } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { pattern } from '../contract/pattern.js';
import { connectedPair } from './connected-pair.js';
import { endpointAt } from './tcp-wire.js';

const MIB = 2 ** 20;
const PAGE = 64 * 1024;
const timeoutMs = patient(10_000);

async function open(options: Partial<NativeFabricOptions> = {}): Promise<FabricPort> {
  const fabric = await openNativeFabric({ providers: ['tcp'], ...options });
  onTestFinished(() => fabric.close());
  return fabric;
}

async function receiver(options: Partial<NativeFabricOptions> = {}, bytes = PAGE) {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const fabric = await open(options);
  onTestFinished(() => rmSync(directory, { recursive: true }));
  await fabric.createArena({ path: join(directory, 'arena'), pageBytes: bytes, pages: 1 });
  return { fabric, arena: join(directory, 'arena'), endpoint: fabric.endpoints()[0] };
}

function portOf(endpoint: FabricEndpoint | undefined): number {
  return Number.parseInt(endpoint?.address.split(':')[2] ?? '', 16);
}

/** Two ports in a row, of which nothing uses either. */
async function twoFreePorts(): Promise<number> {
  for (;;) {
    const server = createServer();
    const port = await listening(server, 0);
    const next = createServer();
    const isFree = await listening(next, port + 1).then(
      () => true,
      () => false,
    );
    server.close();
    next.close();
    if (isFree) return port;
  }
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

describe('ports', () => {
  test('a range → the first free one; none is free → unavailable with the reason', async () => {
    const first = await twoFreePorts();
    const tcpPorts = { first, last: first + 1 };
    const [one, other, none] = [
      await receiver({ tcpPorts }),
      await receiver({ tcpPorts }),
      await receiver({ tcpPorts }),
    ];
    expect([portOf(one.endpoint), portOf(other.endpoint)]).toEqual([first, first + 1]);
    expect([none.endpoint, none.fabric.unavailable()]).toEqual([
      undefined,
      [{ provider: 'tcp', reason: `cannot listen at 127.0.0.1 port ${first}-${first + 1}: Address already in use` }],
    ]);
  });

  test('the receiver of a port is gone → the next one takes the port at once', async () => {
    const first = await twoFreePorts();
    const tcpPorts = { first, last: first };
    const one = await receiver({ tcpPorts });
    const sender = await open();
    await sender.connect(one.endpoint as FabricEndpoint, await one.fabric.grant('tcp'), { timeoutMs });
    await one.fabric.close();
    expect(portOf((await receiver({ tcpPorts })).endpoint)).toBe(first);
  });

  test.each([
    { tcpPorts: { first: 2, last: 1 } },
    { tcpPorts: { first: 1, last: 65_536 } },
    { tcpPorts: { first: -1, last: 1 } },
    { tcpStreams: 0 },
    { tcpStreams: 17 },
    { tcpStreams: 1.5 },
  ])('%j → invalid_configuration', async (options) => {
    await expect(openNativeFabric({ providers: ['tcp'], ...options })).rejects.toMatchObject({
      code: 'invalid_configuration',
    });
  });

  test('an address of another host → unavailable with the reason', async () => {
    const { fabric } = await receiver({ bindAddress: '192.0.2.1' });
    expect(fabric.unavailable()).toEqual([
      { provider: 'tcp', reason: 'cannot listen at 192.0.2.1 port 0: Cannot assign requested address' },
    ]);
  });

  test('an IPv6 address → bytes arrive', async () => {
    const { fabric, arena, endpoint } = await receiver({ bindAddress: '::1' });
    const sender = await open();
    await sender.createSegment('s', `${arena}-source`, PAGE);
    writeFileSync(`${arena}-source`, pattern('six', PAGE), { flag: 'r+' });
    const connection = await sender.connect(endpoint as FabricEndpoint, await fabric.grant('tcp'), { timeoutMs });
    const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: PAGE }];
    expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: PAGE });
    expect(Buffer.compare(readFileSync(arena), pattern('six', PAGE))).toBe(0);
  });
});

describe('streams', () => {
  test('four streams, one write → bytes travel over each, and all arrive', async () => {
    const bytes = 16 * MIB;
    const { fabric, arena, endpoint } = await receiver({}, bytes);
    const carried = await recordingProxy(portOf(endpoint));
    const sender = await open({ tcpStreams: 4 });
    const path = `${arena}-source`;
    writeFileSync(path, pattern('four', bytes));
    onTestFinished(() => rmSync(path));
    await sender.attachSegment('s', path);
    const connection = await sender.connect(carried.endpoint, await fabric.grant('tcp'), { timeoutMs });
    const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: bytes }];
    // The other streams join while the first one already carries bytes.
    while (carried.bytes().filter((count) => count > MIB).length < 4) {
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes });
    }
    expect(Buffer.compare(readFileSync(arena), pattern('four', bytes))).toBe(0);
  });
});

describe('encryption', () => {
  test('required → the wire shows neither the bytes nor the secret', async () => {
    const { fabric, arena, endpoint } = await receiver({ tcpEncryption: 'required' }, PAGE);
    expect(endpoint?.detail).toBe('TCP, encrypted');
    const carried = await recordingProxy(portOf(endpoint), { encrypted: true });
    const sender = await open();
    const path = `${arena}-source`;
    const text = 'these bytes must not be seen. '.repeat(1000);
    writeFileSync(path, text);
    onTestFinished(() => rmSync(path));
    await sender.attachSegment('s', path);
    const grant = await fabric.grant('tcp');
    const connection = await sender.connect(carried.endpoint, grant, { timeoutMs });
    expect(connection.detail).toBe('TCP, encrypted');
    const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: text.length }];
    expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: text.length });
    expect(readFileSync(arena).subarray(0, text.length).toString()).toBe(text);
    const seen = carried.content();
    expect(seen.length).toBeGreaterThan(text.length);
    expect(seen.includes('must not be seen')).toBe(false);
    expect(seen.includes(Buffer.from(grant.token.split(':')[1] ?? '', 'hex'))).toBe(false);
  });

  test('a sender that requires it → reaches no receiver in clear', async () => {
    const clear = await receiver();
    const sender = await open({ tcpEncryption: 'required' });
    const endpoint = clear.endpoint as FabricEndpoint;
    expect(sender.unreachable(endpoint)).toBe(
      'the receiver does not encrypt, and this agent requires it: set --tcp-encryption required there',
    );
    await expect(sender.connect(endpoint, await clear.fabric.grant('tcp'), { timeoutMs })).rejects.toMatchObject({
      code: 'connection_failed',
      message: expect.stringContaining('the receiver does not encrypt, and this agent requires it'),
    });
  });

  test('required → nothing that cannot encrypt is opened, offered or granted', async () => {
    const providers = ['verbs', 'efa', 'tcp', 'libfabric-tcp', 'net', 'same-host'] as const;
    const { fabric } = await receiver({ providers, tcpEncryption: 'required' });
    expect(fabric.endpoints().map(({ provider }) => provider)).toEqual(['tcp', 'same-host']);
    const inClear = ['verbs', 'efa', 'libfabric-tcp', 'net'] as const;
    const reason = 'it cannot encrypt, as --tcp-encryption required demands; use tcp';
    expect(fabric.unavailable()).toEqual(inClear.map((provider) => ({ provider, reason })));
    for (const provider of inClear) {
      expect(fabric.unreachable({ provider, detail: '', address: 'tcp:1' })).toBe(reason);
      await expect(fabric.grant(provider)).rejects.toMatchObject({ code: 'provider_unavailable' });
    }
  });

  test('a sender without it → encrypts to a receiver that requires it', async () => {
    const { endpoint } = await receiver({ tcpEncryption: 'required' });
    const sender = await open();
    expect(sender.unreachable(endpoint as FabricEndpoint)).toBeUndefined();
  });

  test('T27: strangers and wrong keys, encrypted → closed; others are served', async () => {
    const options = { pageBytes: PAGE, pages: 1, tcpEncryption: 'required' } as const;
    const pair = await connectedPair('tcp', options);
    const endpoint = pair.receiver.endpoints()[0] as FabricEndpoint;
    const strangers = Array.from({ length: 50 }, (_, index) => {
      const socket = connectTo(portOf(endpoint), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.end(pattern(`stranger ${index}`, 1 + index * 100));
      return new Promise((resolve) => socket.once('close', resolve));
    });
    const refused = new Promise((resolve) => {
      secureConnect({ port: portOf(endpoint), host: '127.0.0.1' }).once('error', resolve);
    });
    await Promise.all(strangers);
    expect(await refused).toBeInstanceOf(Error);
    const forged = { ...pair.grant, token: `${pair.grant.token.split(':')[0]}:${'00'.repeat(32)}` };
    await expect(pair.sender.connect(endpoint, forged, { timeoutMs })).rejects.toMatchObject({
      code: 'connection_failed',
    });
    writeFileSync(pair.segment, pattern('honest', PAGE));
    await pair.sender.attachSegment('s', pair.segment);
    const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: PAGE }];
    expect(await pair.connection.write(items).done).toEqual({ status: 'delivered', bytes: PAGE });
  });

  test('more bytes than one key protects → each byte arrives', async () => {
    const bytes = 32 * MIB;
    const options = { pageBytes: bytes, pages: 1, tcpEncryption: 'required' } as const;
    const { arena, segment, sender, connection } = await connectedPair('tcp', options);
    writeFileSync(segment, pattern('keys', bytes));
    await sender.attachSegment('s', segment);
    // The keys change after 256 MiB.
    const items = Array.from({ length: 10 }, () => ({ segment: 's', sourceOffset: 0, targetOffset: 0, length: bytes }));
    expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: 10 * bytes });
    expect(Buffer.compare(readFileSync(arena), pattern('keys', bytes))).toBe(0);
  });
});

/** Forwards connections to a port, and keeps what senders sent. */
async function recordingProxy(port: number, { encrypted = false } = {}) {
  const content: Buffer[][] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const onward = connectTo(port, '127.0.0.1');
    const parts: Buffer[] = [];
    content.push(parts);
    socket.on('data', (bytes) => parts.push(bytes));
    socket.pipe(onward).pipe(socket);
    for (const each of [socket, onward]) each.on('error', () => undefined);
    sockets.push(socket, onward);
  });
  const own = await listening(server, 0);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    endpoint: endpointAt(own, encrypted),
    content: () => Buffer.concat(content.flat()),
    bytes: () => content.map((parts) => parts.reduce((sum, part) => sum + part.length, 0)),
  };
}
