/** What is particular to memory of devices: copies that go on by themselves, errors of the driver, and paths without devices. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { DeviceMemory, FabricPort } from '../../src/ports/fabric.js';
import { DeviceHarness } from '../contract/device/device-harness.js';
import { StandIn } from '../contract/device/stand-in.js';
import { Fabrics } from '../contract/fabric/fabrics.js';
import { expectSame, item, MiB } from '../contract/fabric/writes.js';
import { pattern } from '../contract/pattern.js';
import { HostilePeer, inHex } from './hostile-peer.js';

const standIn = new StandIn();
afterAll(() => standIn.close());

const ILLEGAL_ADDRESS = 700;
const NO_HANDLE: DeviceMemory = {
  handle: Buffer.from('no handle'.padEnd(64)).toString('base64'),
  device: 'GPU-570b0000-0000-4000-8000-000000000001',
  bytes: MiB,
};

describe('memory of a device', () => {
  const fabrics = new Fabrics(
    () => new DeviceHarness({ engine: standIn.engine, segments: 'device', arena: 'device' }),
    true,
  );
  beforeEach(() => {
    standIn.reset();
  });

  test('a copy is under way → the revocation waits for it, and nothing lands after', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    await fabrics.attach(pair.sender, 's', pattern('late', MiB));
    standIn.set('delay-ms', 300);
    const write = pair.connection.write([item('s', 0, 0, MiB)]).done;
    await untilLanded(() => fabrics.harness.readFile(pair.path, { offset: 0, length: 1 }));
    expect(fabrics.harness.readFile(pair.path, { offset: MiB - 1, length: 1 })[0]).toBe(0);
    await pair.fabric.revoke(pair.grant.id);
    expectSame(fabrics.harness.readFile(pair.path), pattern('late', MiB));
    expect(await write).toEqual({ status: 'delivered', bytes: MiB });
  });

  test('P5: a peer breaks the protocol in a copy → hung up on when the copy has ended', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    const harness = fabrics.harness as DeviceHarness;
    const { id, memory } = harness.engine.allocate(MiB);
    harness.engine.write(id, 0, pattern('s', MiB));
    standIn.set('delay-ms', 500);
    const peer = new HostilePeer('leave_with_copy', pair.endpoint, pair.grant, ...inHex(memory));
    expect(await peer.line()).toEqual({ begun: true });
    peer.nudge();
    expect(await peer.line()).toEqual({ hungUp: true });
    expectSame(harness.readFile(pair.path), pattern('s', MiB));
  });

  test('P28: a peer asks for bytes outside the memory → refused, and nothing lands', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    const harness = fabrics.harness as DeviceHarness;
    const { id, memory } = harness.engine.allocate(4 * MiB);
    harness.engine.write(id, 0, pattern('all', 4 * MiB));
    const inside = { ...memory, bytes: MiB };
    const peer = new HostilePeer('beyond_device_memory', pair.endpoint, pair.grant, ...inHex(inside));
    const outside = 3;
    expect(await peer.line()).toEqual({ statuses: [...Array(8).fill(outside), 0] });
    expectSame(harness.readFile(pair.path, { offset: 300, length: MiB - 300 }), new Uint8Array(MiB - 300));
  });

  test('the receiver closes in a copy → the copy ends first, and the write is delivered', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    await fabrics.attach(pair.sender, 's', pattern('s', MiB));
    standIn.set('delay-ms', 300);
    const write = pair.connection.write([item('s', 0, 0, MiB)]).done;
    await untilLanded(() => fabrics.harness.readFile(pair.path, { offset: 0, length: 1 }));
    await pair.fabric.close();
    expect(await write).toEqual({ status: 'delivered', bytes: MiB });
  });

  test('P5: 400 copies are asked for under a revoked grant → not all were begun', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    const harness = fabrics.harness as DeviceHarness;
    const { id, memory } = harness.engine.allocate(MiB);
    harness.engine.write(id, 0, pattern('s', MiB));
    standIn.set('delay-ms', 20);
    const peer = new HostilePeer('many_copies', pair.endpoint, pair.grant, ...inHex(memory), '400');
    await untilLanded(() => harness.readFile(pair.path, { offset: 0, length: 1 }));
    await pair.fabric.revoke(pair.grant.id);
    const { copied, rejected } = (await peer.line()) as { copied: number; rejected: number };
    expect(copied + rejected).toBe(400);
    expect(rejected).toBeGreaterThan(0);
  });

  test('a sender closes while its copy is under way → the receiver goes on with others', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 2 });
    await fabrics.attach(pair.sender, 's', pattern('s', MiB));
    const other = await fabrics.join(pair.sender, pair);
    standIn.set('delay-ms', 100);
    const write = pair.connection.write([item('s', 0, 0, MiB)]).done;
    await untilLanded(() => fabrics.harness.readFile(pair.path, { offset: 0, length: 1 }));
    await pair.connection.close();
    expect(await write).toMatchObject({ status: 'failed', code: 'connection_lost', drained: false });
    expect(await other.connection.write([item('s', 0, MiB, MiB)]).done).toEqual({ status: 'delivered', bytes: MiB });
  });

  test('the same memory under two names and of two senders → both write from it', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 3 });
    const path = await fabrics.attach(pair.sender, 'a', pattern('s', MiB));
    await pair.sender.attachSegment('b', path);
    const second = await fabrics.open();
    await second.attachSegment('c', path);
    const other = await fabrics.join(second, pair);
    const writes = [
      pair.connection.write([item('a', 0, 0, MiB), item('b', 0, MiB, MiB)]).done,
      other.connection.write([item('c', 0, 2 * MiB, MiB)]).done,
    ];
    expect(await Promise.all(writes)).toEqual([
      { status: 'delivered', bytes: 2 * MiB },
      { status: 'delivered', bytes: MiB },
    ]);
    for (const page of [0, 1, 2]) {
      expectSame(fabrics.harness.readFile(pair.path, { offset: page * MiB, length: MiB }), pattern('s', MiB));
    }
  });

  test.each([
    ['a handle of nothing', NO_HANDLE, /the receiver cannot open the memory of the device/],
    ['another device', { ...NO_HANDLE, device: NO_HANDLE.device.replace('570b', '0000') }, /does not see the device/],
  ])('%s → the write fails and says what to look at', async (_, memory, message) => {
    const { sender, connection } = await fabrics.openPair();
    expect(await sender.attachSegment('s', memory)).toMatchObject({ bytes: MiB });
    const outcome = await connection.write([item('s', 0, 0, 100)]).done;
    expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
    expect(outcome).toMatchObject({ message: expect.stringMatching(message) });
  });

  test('memory that is smaller than its description → the write fails', async () => {
    const { sender, connection } = await fabrics.openPair();
    const harness = fabrics.harness as DeviceHarness;
    const { memory } = harness.engine.allocate(MiB);
    await sender.attachSegment('long', { ...memory, offset: MiB, bytes: 2 ** 40 });
    await sender.attachSegment('behind', { ...memory, offset: 4 * MiB, bytes: 100 });
    for (const name of ['long', 'behind']) {
      const outcome = await connection.write([item(name, 0, 0, 100)]).done;
      expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
    }
  });

  test('pieces further apart than one copy of the device reaches → each arrives', async () => {
    const { sender, connection, path } = await fabrics.openPair();
    const bytes = pattern('far', 4 * MiB);
    await fabrics.attach(sender, 's', bytes);
    const [pieceBytes, stride] = [1000, MiB + 4096];
    const far = { ...item('s', 50, 0, 3 * pieceBytes), pieces: { count: 3, stride } };
    expect(await connection.write([far]).done).toEqual({ status: 'delivered', bytes: 3 * pieceBytes });
    const wanted = Buffer.concat([0, 1, 2].map((n) => bytes.subarray(50 + n * stride, 50 + n * stride + pieceBytes)));
    expectSame(fabrics.harness.readFile(path, { offset: 0, length: 3 * pieceBytes }), wanted);
  });

  test('a segment is detached → the receiver closes its memory', async () => {
    const { sender, connection } = await fabrics.openPair();
    const harness = fabrics.harness as DeviceHarness;
    const { memory } = harness.engine.allocate(MiB);
    const name = Buffer.from(memory.handle, 'base64').toString().replaceAll('\0', '');
    const isOpen = () => readFileSync('/proc/self/maps', 'utf8').includes(`${name}\n`);
    await sender.attachSegment('s', memory);
    expect(await connection.write([item('s', 0, 0, 100)]).done).toEqual({ status: 'delivered', bytes: 100 });
    expect(isOpen()).toBe(true);
    await sender.detachSegment('s');
    await expect.poll(isOpen).toBe(false);
  });

  test('a new arena → its bytes are zero', async () => {
    const { path } = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    expectSame(fabrics.harness.readFile(path), new Uint8Array(MiB));
  });

  test('memory that begins inside its allocation → its own bytes', async () => {
    const { sender, connection, path } = await fabrics.openPair();
    const harness = fabrics.harness as DeviceHarness;
    const { id, memory } = harness.engine.allocate(MiB);
    harness.engine.write(id, 5000, pattern('inner', 3000));
    await sender.attachSegment('s', { ...memory, offset: 5000, bytes: 3000 });
    expect(await connection.write([item('s', 0, 0, 3000)]).done).toEqual({ status: 'delivered', bytes: 3000 });
    expectSame(harness.readFile(path, { offset: 0, length: 3000 }), pattern('inner', 3000));
    expect(await connection.write([item('s', 1, 0, 3000)]).done).toMatchObject({ code: 'segment_invalid' });
  });

  test.each([
    ['a short handle', { handle: 'AAAA' }],
    ['no UUID', { device: '0' }],
    ['no bytes', { bytes: 0 }],
    ['a negative offset', { offset: -1 }],
    ['too large an offset', { offset: Number.MAX_SAFE_INTEGER }],
  ])('a description with %s → segment_invalid at once', async (_, wrong) => {
    const fabric = await fabrics.open();
    const attached = fabric.attachSegment('s', { ...NO_HANDLE, ...wrong });
    await expect(attached).rejects.toMatchObject({ code: 'segment_invalid' });
  });

  test.each([
    ['is no UUID', 'cuda:0'],
    ['is not here', 'GPU-00000000-0000-4000-8000-000000000002'],
  ])('an arena on a device that %s → arena_unavailable', async (_, device) => {
    const fabric = await openNativeFabric({ providers: ['same-host'] });
    const arena = fabric.createArena({ path: '/dev/shm/unused', pageBytes: 4096, pages: 1, device });
    await expect(arena).rejects.toMatchObject({ code: 'arena_unavailable', message: expect.stringMatching('UUID') });
    await fabric.close();
  });
});

describe('paths without devices', () => {
  let directory: string;
  let opened: FabricPort[];
  beforeEach(() => {
    directory = mkdtempSync('/dev/shm/kvferry-test-');
    opened = [];
  });
  afterEach(async () => {
    for (const fabric of opened) await fabric.close();
    rmSync(directory, { recursive: true });
  });
  const open = async () => {
    const fabric = await openNativeFabric({ providers: ['same-host', 'tcp'], socketDirectory: directory });
    opened.push(fabric);
    return fabric;
  };

  test('a segment on a device, over tcp → segment_invalid, with the remedy', async () => {
    const [receiver, sender] = [await open(), await open()];
    await receiver.createArena({ path: join(directory, 'arena'), pageBytes: MiB, pages: 1 });
    const endpoint = receiver.endpoints().find(({ provider }) => provider === 'tcp');
    if (endpoint === undefined) throw new Error('no tcp');
    const connection = await sender.connect(endpoint, await receiver.grant('tcp'), { timeoutMs: 10_000 });
    await sender.attachSegment('s', NO_HANDLE);
    expect(await connection.write([item('s', 0, 0, 1)]).done).toEqual({
      status: 'failed',
      code: 'segment_invalid',
      bytes: 0,
      drained: true,
      message:
        'segment s: it is on a CUDA device, which only same-host reads: choose a receiver on this host, or copy the bytes to a file in memory',
    });
  });

  test('an arena on a device → only same-host is offered, and tcp says why', async () => {
    const receiver = await open();
    const { device } = NO_HANDLE;
    const memory = await receiver.createArena({ path: join(directory, 'arena'), pageBytes: MiB, pages: 1, device });
    expect(memory).toEqual({ handle: expect.stringMatching(/^.{88}$/), device, bytes: MiB });
    expect(receiver.endpoints().map(({ provider }) => provider)).toEqual(['same-host']);
    expect(receiver.unavailable()).toEqual([
      { provider: 'tcp', reason: expect.stringMatching(/^tcp writes to the memory of the host only/) },
    ]);
  });
});

/** The last of the file: an error of the driver is for good. */
describe('a device that fails', () => {
  const fabrics = new Fabrics(
    () => new DeviceHarness({ engine: standIn.engine, segments: 'device', arena: 'host' }),
    true,
  );

  test('P29: the arena loses pages in a copy → not delivered', async () => {
    standIn.reset();
    const { sender, connection, path } = await fabrics.openPair({ pageBytes: MiB, pages: 2 });
    await fabrics.attach(sender, 's', pattern('s', MiB));
    standIn.set('delay-ms', 300);
    const write = connection.write([item('s', 0, 0, MiB)]).done;
    fabrics.harness.truncate(path, MiB);
    // The receiver may have revoked the grant already.
    const code = expect.stringMatching(/^(?:fabric_error|write_rejected)$/);
    expect(await write).toMatchObject({ status: 'failed', code });
  });

  test('P29: in a copy → the write fails, and the receiver says that its device is lost', async () => {
    const { fabric, sender, connection } = await fabrics.openPair();
    await fabrics.attach(sender, 's', pattern('s', 1000));
    expect(await connection.write([item('s', 0, 0, 1000)]).done).toEqual({ status: 'delivered', bytes: 1000 });
    standIn.set('copy-error', ILLEGAL_ADDRESS);
    expect(await connection.write([item('s', 0, 0, 1000)]).done).toMatchObject({
      status: 'failed',
      code: 'fabric_error',
      drained: false,
      message: expect.stringMatching('a CUDA device of the receiver failed with CUDA error 700'),
    });
    expect(await fabric.arenaLost()).toBe(
      'CUDA device 0 (stand-in) failed: CUDA_ERROR_ILLEGAL_ADDRESS: as the test wants it. ' +
        'Its context cannot be used any more: start the agent again',
    );
    await expect(fabric.grant('same-host')).rejects.toMatchObject({ code: 'arena_unavailable' });
  });
});

async function untilLanded(read: () => Uint8Array): Promise<void> {
  while (read()[0] === 0) await new Promise<void>((resolve) => setImmediate(resolve));
}
