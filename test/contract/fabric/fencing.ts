/** Fencing: nothing lands under a grant after it was revoked. */
import { describe, expect, test } from 'vitest';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { expectSame, item, pageBytes, pages, writeUntilItEnds } from './writes.js';

export function describeFencing(fabrics: Fabrics): void {
  describe('fencing', () => {
    test('a late write lands nothing and is rejected; a new grant works', async () => {
      const pair = await fabrics.openPair();
      const { fabric, path, grant, sender, connection } = pair;
      await fabrics.attach(sender, 's', pattern('late', pageBytes));
      expect(await connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
        status: 'delivered',
        bytes: pageBytes,
      });
      await fabric.revoke(grant.id);
      const unchanged = fabrics.fill(pair, 'canary');
      for (const target of [0, pageBytes]) {
        expect(await connection.write([item('s', 0, target, pageBytes)]).done).toMatchObject({
          status: 'failed',
          code: 'write_rejected',
          bytes: 0,
          drained: true,
        });
      }
      unchanged();
      const renewed = await fabrics.join(sender, pair);
      expect(await renewed.connection.write([item('s', 0, pageBytes, 100)]).done).toEqual({
        status: 'delivered',
        bytes: 100,
      });
      expectSame(fabrics.harness.readFile(path, { offset: pageBytes, length: 100 }), pattern('late', 100));
      expect(await connection.write([item('s', 0, 0, 1)]).done).toMatchObject({ code: 'write_rejected' });
    });

    test('a write is in flight → none of it lands once the revocation is answered', async () => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('zombie', pageBytes * pages));
      const zombie = writeUntilItEnds(pair.connection, 's');
      await fabrics.untilSomethingLanded(pair);
      await pair.fabric.revoke(pair.grant.id);
      const unchanged = fabrics.fill(pair, 'canary');
      expect(await zombie).toMatchObject({ status: 'failed', code: 'write_rejected', drained: true });
      unchanged();
    });

    test('revoking one sender leaves the other alone', async () => {
      const receiver = await fabrics.openReceiver();
      const [fenced, other] = [await fabrics.open(), await fabrics.open()];
      await fabrics.attach(fenced, 's', pattern('fenced', pageBytes * pages));
      await fabrics.attach(other, 's', pattern('other', pageBytes));
      const first = await fabrics.join(fenced, receiver);
      const second = await fabrics.join(other, receiver);
      const zombie = writeUntilItEnds(first.connection, 's');
      await fabrics.untilSomethingLanded(receiver);
      await receiver.fabric.revoke(first.grant.id);
      expect(await zombie).toMatchObject({ status: 'failed', code: 'write_rejected' });
      expect(await second.connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
        status: 'delivered',
        bytes: pageBytes,
      });
      expectSame(
        fabrics.harness.readFile(receiver.path, { offset: 0, length: pageBytes }),
        pattern('other', pageBytes),
      );
    });
  });
}
