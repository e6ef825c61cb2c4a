/** Calls of the CUDA driver that fail. What one call says of itself is no proof about copies that were begun before it. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DeviceHarness } from '../contract/device/device-harness.js';
import { StandIn } from '../contract/device/stand-in.js';
import { Fabrics } from '../contract/fabric/fabrics.js';
import { expectSame, item, MiB } from '../contract/fabric/writes.js';
import { pattern } from '../contract/pattern.js';
import { HostilePeer, inHex } from './hostile-peer.js';

const standIn = new StandIn();
afterAll(() => standIn.close());

const OUT_OF_MEMORY = 2;
const FOR_EVER = 1_000_000;
const delivered = (bytes: number) => ({ status: 'delivered', bytes });

const onDevices = () =>
  new Fabrics(() => new DeviceHarness({ engine: standIn.engine, segments: 'device', arena: 'device' }), true);

describe('a call of the driver fails once', () => {
  const fabrics = onDevices();
  beforeEach(() => standIn.reset());

  test('P29: no function goes behind a copy → the revocation waits all the same', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    await fabrics.attach(pair.sender, 's', pattern('late', MiB));
    standIn.set('delay-ms', 300);
    standIn.set('launch-error', OUT_OF_MEMORY);
    const write = pair.connection.write([item('s', 0, 0, MiB)]).done;
    await untilLanded(() => fabrics.harness.readFile(pair.path, { offset: 0, length: 1 }));
    await pair.fabric.revoke(pair.grant.id);
    expectSame(fabrics.harness.readFile(pair.path), pattern('late', MiB));
    expect(await write).toEqual(delivered(MiB));
    expect(await pair.fabric.grant('same-host')).toMatchObject({ provider: 'same-host' });
  });

  test('P29: the stream does not answer ten times → the write waits, and is delivered', async () => {
    const { fabric, sender, connection, path } = await fabrics.openPair({ pageBytes: MiB, pages: 1 });
    await fabrics.attach(sender, 's', pattern('s', MiB));
    standIn.set('delay-ms', 50);
    standIn.set('launch-error', OUT_OF_MEMORY);
    standIn.set('query-errors', 10);
    expect(await connection.write([item('s', 0, 0, MiB)]).done).toEqual(delivered(MiB));
    expectSame(fabrics.harness.readFile(path), pattern('s', MiB));
    expect(await fabric.grant('same-host')).toMatchObject({ provider: 'same-host' });
  });

  test('a stream cannot be made → writes fail with the error, a later one succeeds', async () => {
    const { sender, connection } = await fabrics.openPair();
    await fabrics.attach(sender, 's', pattern('s', 1000));
    standIn.set('stream-error', OUT_OF_MEMORY);
    // The second write finds the memory of the segment open.
    for (const _ of ['first', 'second']) {
      expect(await connection.write([item('s', 0, 0, 1000)]).done).toMatchObject({
        code: 'fabric_error',
        drained: true,
        message: 'segment s: a CUDA device of the receiver failed with CUDA error 2',
      });
    }
    standIn.reset();
    expect(await connection.write([item('s', 0, 0, 1000)]).done).toEqual(delivered(1000));
  });

  test('a handle does not open → the write fails, and the next one opens it', async () => {
    const { sender, connection } = await fabrics.openPair();
    await fabrics.attach(sender, 's', pattern('s', 1000));
    standIn.set('open-error', OUT_OF_MEMORY);
    expect(await connection.write([item('s', 0, 0, 1000)]).done).toMatchObject({ code: 'segment_invalid' });
    standIn.reset();
    expect(await connection.write([item('s', 0, 0, 1000)]).done).toEqual(delivered(1000));
  });

  test('a handle does not close → the next one that opens it closes it first', async () => {
    const { sender, connection } = await fabrics.openPair();
    const path = await fabrics.attach(sender, 'a', pattern('s', 1000));
    const write = (segment: string) => connection.write([item(segment, 0, 0, 1000)]).done;
    expect(await write('a')).toEqual(delivered(1000));
    standIn.set('close-error', OUT_OF_MEMORY);
    await sender.detachSegment('a');
    await sender.attachSegment('b', path);
    expect(await write('b')).toMatchObject({ code: 'segment_invalid', drained: true });
    standIn.reset();
    expect(await write('b')).toEqual(delivered(1000));
  });
});

/** The last of the file: the device stays lost. */
describe('the driver no longer answers', () => {
  const fabrics = onDevices();

  test('P29, P5: with a copy under way → it counts as landing, and its pages stay fenced', async () => {
    const pair = await fabrics.openPair({ pageBytes: MiB, pages: 2 });
    await fabrics.attach(pair.sender, 's', pattern('late', MiB));
    const other = await fabrics.join(pair.sender, pair);
    standIn.reset();
    standIn.set('delay-ms', FOR_EVER);
    const write = pair.connection.write([item('s', 0, 0, MiB)]).done;
    await untilLanded(() => fabrics.harness.readFile(pair.path, { offset: 0, length: 1 }));
    const { memory } = (fabrics.harness as DeviceHarness).engine.allocate(MiB);
    const peer = new HostilePeer('leave_with_copy', pair.endpoint, other.grant, ...inHex(memory));
    expect(await peer.line()).toEqual({ begun: true });
    let hungUp = false;
    const ofTheEnd = () => undefined;
    void peer.line().then(() => {
      hungUp = true;
    }, ofTheEnd);
    peer.nudge();
    standIn.set('query-errors', FOR_EVER);
    const revocation = pair.fabric.revoke(pair.grant.id);
    const message = 'segment s: a CUDA device of the receiver failed with CUDA error 2';
    const unended = 'a CUDA device failed while it copied under this grant: the copies may still land';
    await Promise.all([
      expect(revocation).rejects.toMatchObject({ code: 'fabric_error', message: unended }),
      expect(write).resolves.toMatchObject({ code: 'fabric_error', drained: false, message }),
      expect(pair.fabric.arenaLost()).resolves.toMatch(/^CUDA device 0 \(stand-in\) failed: CUDA_ERROR_OUT_OF_MEMORY/),
    ]);
    await expect(pair.fabric.grant('same-host')).rejects.toMatchObject({ code: 'arena_unavailable' });
    const later = await other.connection.write([item('s', 0, MiB, MiB)]).done;
    expect(later).toMatchObject({ code: 'write_rejected', drained: true });
    await expect(pair.fabric.revoke(other.grant.id)).rejects.toMatchObject({ message: unended });
    // A sender takes the end of its connection as proof that nothing lands.
    expect(hungUp).toBe(false);
  });
});

async function untilLanded(read: () => Uint8Array): Promise<void> {
  while (read()[0] === 0) await new Promise<void>((resolve) => setImmediate(resolve));
}
