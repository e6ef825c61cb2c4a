/** Closing connections and fabrics, in every order, with writes under way. */
import { describe, expect, test } from 'vitest';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { item, MiB, pageBytes, pages, repeated, timeoutMs, writeUntilItEnds } from './writes.js';

export function describeClosing(fabrics: Fabrics): void {
  describe('ends', () => {
    test('closing a connection ends its writes', async () => {
      const { sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 's', pattern('s', pageBytes * pages));
      const writes = [connection.write(repeated('s', 64 * 1024 * MiB)), connection.write(repeated('s', 1024 * MiB))];
      await Promise.all([connection.close(), connection.close()]);
      for (const { done } of writes) {
        expect(await done).toMatchObject({ status: 'failed', code: 'connection_lost' });
      }
      expect(await connection.write([item('s', 0, 0, 1)]).done).toMatchObject({
        status: 'failed',
        code: 'connection_lost',
        bytes: 0,
        drained: true,
      });
      await connection.close();
      await sender.detachSegment('s');
    });

    test('closing one connection leaves the other alone', async () => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes));
      const { connection } = await fabrics.join(pair.sender, pair);
      await pair.connection.close();
      expect(await connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
        status: 'delivered',
        bytes: pageBytes,
      });
    });

    test('a receiver that closes during a write is noticed', async () => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes * pages));
      const write = writeUntilItEnds(pair.connection, 's');
      await fabrics.untilSomethingLanded(pair);
      await pair.fabric.close();
      expect(await write).toMatchObject({ status: 'failed', code: 'connection_lost' });
    });

    test('a receiver that closed between writes is noticed', async () => {
      const { fabric, sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 's', pattern('s', 100));
      await fabric.close();
      expect(await connection.write([item('s', 0, 0, 100)]).done).toMatchObject({
        status: 'failed',
        code: 'connection_lost',
        bytes: 0,
      });
    });

    test('closing a sender ends its writes', async () => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes * pages));
      const write = pair.connection.write(repeated('s', 64 * 1024 * MiB));
      await fabrics.untilSomethingLanded(pair);
      await Promise.all([pair.sender.close(), pair.sender.close()]);
      expect(await write.done).toMatchObject({ status: 'failed', code: 'connection_lost' });
      write.stop();
      expect(await pair.connection.write([item('s', 0, 0, 1)]).done).toMatchObject({ code: 'connection_lost' });
      await pair.connection.close();
    });

    test('a fabric that is closed says so', async () => {
      const { fabric, path, endpoint, grant, sender } = await fabrics.openPair();
      await sender.close();
      await fabric.close();
      await fabric.close();
      const closed = { code: 'closed' };
      await expect(fabric.createArena({ path, pageBytes, pages })).rejects.toMatchObject(closed);
      await expect(fabric.grant(fabrics.harness.provider)).rejects.toMatchObject(closed);
      await expect(fabric.attachSegment('s', path)).rejects.toMatchObject(closed);
      await expect(fabric.createSegment('s', path, 4096)).rejects.toMatchObject(closed);
      await expect(fabric.detachSegment('s')).rejects.toMatchObject(closed);
      await expect(fabric.connect(endpoint, grant, { timeoutMs })).rejects.toMatchObject(closed);
      await fabric.revoke(grant.id);
      expect(fabric.endpoints()).toEqual([]);
    });

    test.each([
      ['sender, connection, receiver', ['sender', 'connection', 'receiver']],
      ['receiver, sender, connection', ['receiver', 'sender', 'connection']],
      ['connection, receiver, sender', ['connection', 'receiver', 'sender']],
    ] as const)('in the order %s, with a write in flight', async (_, order) => {
      const { fabric, sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 's', pattern('s', pageBytes * pages));
      const write = connection.write(repeated('s', 64 * 1024 * MiB));
      const close = { sender, connection, receiver: fabric };
      for (const what of order) await close[what].close();
      expect(await write.done).toMatchObject({ status: 'failed', code: 'connection_lost' });
    });

    test('closing at once, while everything is still being set up', async () => {
      const fabric = await fabrics.open();
      const beginnings = Promise.allSettled([
        fabric.createArena({ path: fabrics.harness.newPath('arena'), pageBytes, pages }),
        fabric.createSegment('s', fabrics.harness.newPath('s'), 4096),
        fabric.grant(fabrics.harness.provider),
      ]);
      await fabric.close();
      for (const beginning of await beginnings) {
        if (beginning.status === 'rejected') {
          expect(beginning.reason).toMatchObject({ code: expect.stringMatching(/^(closed|provider_unavailable)$/) });
        }
      }
    });
  });
}
