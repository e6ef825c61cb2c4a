/** Writing from segments to an arena. */
import { describe, expect, test } from 'vitest';
import type { WriteItem } from '../../../src/ports/fabric.js';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { expectSame, item, KiB, MiB, pageBytes, pages, repeated, timeoutMs, tooManyBytes } from './writes.js';

export function describeWriting(fabrics: Fabrics): void {
  describe('writing', () => {
    test('puts exactly the pages where they belong, and touches nothing else', async () => {
      const { fabric, path, endpoint, sender, connection } = await fabrics.openPair();
      const source = pattern('source', pageBytes * 4);
      await fabrics.attach(sender, 's', source);
      fabrics.fill({ fabric, path, endpoint }, 'canary');
      const expected = pattern('canary', pageBytes * pages);
      const moves: readonly (readonly [from: number, to: number])[] = [
        [0, 7],
        [3, 2],
        [1, 15],
        [2, 0],
      ];
      for (const [from, to] of moves) {
        expected.set(source.subarray(from * pageBytes, (from + 1) * pageBytes), to * pageBytes);
      }
      const items = moves.map(([from, to]) => item('s', from * pageBytes, to * pageBytes, pageBytes));
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: pageBytes * 4 });
      expectSame(fabrics.harness.readFile(path), expected);
    });

    test('joins items that follow each other and keeps apart those that do not', async () => {
      const { path, sender, connection } = await fabrics.openPair();
      const source = pattern('source', pageBytes);
      await fabrics.attach(sender, 's', source);
      const expected = new Uint8Array(pageBytes * pages);
      const items: WriteItem[] = [];
      for (let i = 0; i < 64; i++) {
        const from = i * KiB;
        const to = i % 7 === 0 ? 2 * pageBytes + from : pageBytes + from;
        items.push(item('s', from, to, KiB));
        expected.set(source.subarray(from, from + KiB), to);
      }
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: pageBytes });
      expectSame(fabrics.harness.readFile(path), expected);
    });

    test('takes several segments in one write', async () => {
      const { path, sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 'a', pattern('a', 5000));
      await fabrics.attach(sender, 'b', pattern('b', 7000));
      const outcome = await connection.write([item('a', 0, 100, 5000), item('b', 0, 5100, 7000)]).done;
      expect(outcome).toEqual({ status: 'delivered', bytes: 12_000 });
      expectSame(fabrics.harness.readFile(path, { offset: 100, length: 5000 }), pattern('a', 5000));
      expectSame(fabrics.harness.readFile(path, { offset: 5100, length: 7000 }), pattern('b', 7000));
    });

    test.each([1, 63, 4096, 16 * KiB + 1, MiB - 1, MiB, 3 * MiB + 5, 40 * MiB])(
      'delivers %i bytes at an odd place',
      async (bytes) => {
        const { path, sender, connection } = await fabrics.openPair({ pageBytes: bytes + 100, pages: 1 });
        await fabrics.attach(sender, 's', pattern('large', bytes + 7));
        expect(await connection.write([item('s', 7, 33, bytes)]).done).toEqual({ status: 'delivered', bytes });
        expectSame(
          fabrics.harness.readFile(path, { offset: 33, length: bytes }),
          pattern('large', bytes + 7).subarray(7),
        );
        expectSame(fabrics.harness.readFile(path, { offset: 0, length: 33 }), new Uint8Array(33));
        expectSame(fabrics.harness.readFile(path, { offset: 33 + bytes, length: 67 }), new Uint8Array(67));
      },
    );

    test('of nothing is delivered', async () => {
      const { sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 's', pattern('s', 10));
      expect(await connection.write([]).done).toEqual({ status: 'delivered', bytes: 0 });
      expect(await connection.write([item('s', 10, 5, 0)]).done).toEqual({ status: 'delivered', bytes: 0 });
    });

    test('sees what the engine wrote after the segment was attached', async () => {
      const { path, sender, connection } = await fabrics.openPair();
      const segment = await fabrics.attach(sender, 's', pattern('old', pageBytes));
      for (const key of ['new', 'newer']) {
        fabrics.harness.scribble(segment, 0, pattern(key, pageBytes));
        await connection.write([item('s', 0, 0, pageBytes)]).done;
        expectSame(fabrics.harness.readFile(path, { offset: 0, length: pageBytes }), pattern(key, pageBytes));
      }
    });

    test('does not make a short write wait for a long one', async () => {
      const { sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 's', pattern('s', pageBytes * pages));
      const order: string[] = [];
      const long = connection.write(repeated('s', 256 * MiB));
      void long.done.then(() => order.push('long'));
      const short = connection.write([item('s', 0, 0, 1)]);
      void short.done.then(() => order.push('short'));
      await Promise.all([long.done, short.done]);
      expect(order).toEqual(['short', 'long']);
    });

    test('of two senders at once lands whole', async () => {
      const receiver = await fabrics.openReceiver();
      const keys = ['one', 'other'];
      const outcomes = await Promise.all(
        keys.map(async (key, index) => {
          const sender = await fabrics.open();
          await fabrics.attach(sender, 's', pattern(key, 4 * pageBytes));
          const { connection } = await fabrics.join(sender, receiver);
          return connection.write([item('s', 0, index * 4 * pageBytes, 4 * pageBytes)]).done;
        }),
      );
      expect(outcomes).toEqual(Array(2).fill({ status: 'delivered', bytes: 4 * pageBytes }));
      for (const [index, key] of keys.entries()) {
        const region = { offset: index * 4 * pageBytes, length: 4 * pageBytes };
        expectSame(fabrics.harness.readFile(receiver.path, region), pattern(key, 4 * pageBytes));
      }
    });

    test.each([
      ['beyond the end', pageBytes - 9, 10],
      ['at the end', pageBytes, 1],
      ['far away', tooManyBytes, 1],
      ['of more than numbers can say', 1, Number.MAX_SAFE_INTEGER],
      ['before the start', -1, 10],
      ['of negative length', 0, -1],
      ['of half a byte', 0.5, 1],
      ['of no number', 0, Number.NaN],
    ])('from a range %s of the segment fails, and nothing of the write lands', async (_, offset, length) => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes));
      const unchanged = fabrics.fill(pair, 'canary');
      const outcome = await pair.connection.write([item('s', 0, 0, 100), item('s', offset, 200, length)]).done;
      expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', bytes: 0, drained: true });
      unchanged();
    });

    test('from an unknown segment fails', async () => {
      const { connection } = await fabrics.openPair();
      expect(await connection.write([item('unknown', 0, 0, 1)]).done).toMatchObject({
        status: 'failed',
        code: 'segment_invalid',
        bytes: 0,
        drained: true,
      });
    });

    test.each([
      ['across the end of', pageBytes * pages - 5, 10],
      ['behind', pageBytes * pages, 1],
      ['far behind', tooManyBytes, 1],
      ['before', -1, 1],
    ])('%s the arena is rejected, and nothing of the write lands', async (_, offset, length) => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes));
      const unchanged = fabrics.fill(pair, 'canary');
      const outcome = await pair.connection.write([item('s', 0, 0, 100), item('s', 0, offset, length)]).done;
      expect(outcome).toMatchObject({ status: 'failed', code: 'write_rejected', bytes: 0, drained: true });
      unchanged();
      expect(await pair.connection.write([item('s', 0, 0, 10)]).done).toEqual({ status: 'delivered', bytes: 10 });
    });

    test('is bounded by the arena there is, not by the size the grant claims', async () => {
      const receiver = await fabrics.openReceiver();
      const sender = await fabrics.open();
      await fabrics.attach(sender, 's', pattern('s', pageBytes));
      const grant = { ...(await receiver.fabric.grant(fabrics.harness.provider)), arenaBytes: tooManyBytes };
      const connection = await sender.connect(receiver.endpoint, grant, { timeoutMs });
      const unchanged = fabrics.fill(receiver, 'canary');
      expect(await connection.write([item('s', 0, pageBytes * pages - 5, 10)]).done).toMatchObject({
        status: 'failed',
        code: 'write_rejected',
      });
      unchanged();
    });
  });
}
