/** Segments: the memory that a sender writes from, also when its engine cuts it short. */
import { describe, expect, test } from 'vitest';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { expectSame, item, pageBytes, pages, tooManyBytes, writeUntilItEnds } from './writes.js';

export function describeSegments(fabrics: Fabrics): void {
  describe('segments', () => {
    test('name the file behind them, and its size', async () => {
      const fabric = await fabrics.open();
      const path = fabrics.harness.newPath('segment');
      fabrics.harness.writeFile(path, pattern('s', 12_345));
      const file = await fabric.identify(path);
      expect(file).toEqual({ bytes: 12_345, file: expect.any(String) });
      expect(await fabric.attachSegment('s', path)).toEqual(file);
    });

    test('must be files with something in them', async () => {
      const fabric = await fabrics.open();
      const missing = fabrics.harness.newPath('missing');
      await expect(fabric.attachSegment('s', missing)).rejects.toMatchObject({ code: 'segment_not_found' });
      const empty = fabrics.harness.newPath('empty');
      fabrics.harness.writeFile(empty, new Uint8Array());
      await expect(fabric.attachSegment('s', empty)).rejects.toMatchObject({ code: 'segment_invalid' });
      const directory = fabrics.harness.newPath('directory');
      fabrics.harness.makeDirectory(directory);
      await expect(fabric.attachSegment('s', directory)).rejects.toMatchObject({ code: 'segment_invalid' });
      await fabrics.attach(fabric, 's', pattern('s', 100));
    });

    test('have names of their own, and give them back', async () => {
      const fabric = await fabrics.open();
      const path = await fabrics.attach(fabric, 's', pattern('s', 100));
      await expect(fabric.attachSegment('s', path)).rejects.toMatchObject({ code: 'segment_exists' });
      await fabric.detachSegment('s');
      await expect(fabric.detachSegment('s')).rejects.toMatchObject({ code: 'segment_not_found' });
      expect(await fabric.attachSegment('s', path)).toMatchObject({ bytes: 100 });
      await expect(fabric.detachSegment('other')).rejects.toMatchObject({ code: 'segment_not_found' });
    });

    test('can be made, written from, and are gone after close', async () => {
      const { sender, connection, path: arena } = await fabrics.openPair();
      const path = fabrics.harness.newPath('lent');
      await sender.createSegment('lent', path, 8192);
      fabrics.harness.scribble(path, 0, pattern('lent', 8192));
      expect(await connection.write([item('lent', 0, 4096, 8192)]).done).toEqual({
        status: 'delivered',
        bytes: 8192,
      });
      expectSame(fabrics.harness.readFile(arena, { offset: 4096, length: 8192 }), pattern('lent', 8192));
      await sender.close();
      expect(fabrics.harness.exists(path)).toBe(false);
    });

    test('are not made where something is, of no size, or of more than there is', async () => {
      const fabric = await fabrics.open();
      const taken = fabrics.harness.newPath('taken');
      fabrics.harness.writeFile(taken, pattern('taken', 10));
      const path = fabrics.harness.newPath('lent');
      await expect(fabric.createSegment('s', taken, 4096)).rejects.toMatchObject({ code: 'arena_unavailable' });
      await expect(fabric.createSegment('s', path, 0)).rejects.toMatchObject({ code: 'arena_unavailable' });
      await expect(fabric.createSegment('s', path, tooManyBytes)).rejects.toMatchObject({
        code: 'arena_unavailable',
      });
      await fabric.createSegment('s', path, 4096);
      await expect(fabric.createSegment('s', fabrics.harness.newPath('other'), 4096)).rejects.toMatchObject({
        code: 'segment_exists',
      });
      await expect(fabric.attachSegment('s', path)).rejects.toMatchObject({ code: 'segment_exists' });
    });

    test('300 of them in one write → every byte arrives', async () => {
      const { sender, connection, path } = await fabrics.openPair();
      const chunk = 1000;
      const names = Array.from({ length: 300 }, (_, index) => `s${index}`);
      for (const name of names) await fabrics.attach(sender, name, pattern(name, chunk));
      const items = names.map((name, index) => item(name, 0, index * chunk, chunk));
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: 300 * chunk });
      const expected = Buffer.concat(names.map((name) => pattern(name, chunk)));
      expectSame(fabrics.harness.readFile(path, { offset: 0, length: expected.length }), expected);
    });

    test('stay until the writes that use them have ended', async () => {
      const { sender, connection, path } = await fabrics.openPair();
      const bytes = pattern('s', pageBytes * pages);
      await fabrics.attach(sender, 's', bytes);
      const order: string[] = [];
      const write = connection.write([item('s', 0, 0, bytes.length)]);
      void write.done.then(() => order.push('written'));
      const detached = sender.detachSegment('s').then(() => order.push('detached'));
      expect(await connection.write([item('s', 0, 0, 1)]).done).toMatchObject({
        status: 'failed',
        code: 'segment_invalid',
      });
      expect(await write.done).toEqual({ status: 'delivered', bytes: bytes.length });
      await detached;
      expect(order).toEqual(['written', 'detached']);
      expectSame(fabrics.harness.readFile(path), bytes);
    });
  });

  describe.skipIf(fabrics.onDevice)('a source that shrinks', () => {
    test('before a write makes it fail; the connection stays usable', async () => {
      const pair = await fabrics.openPair();
      const path = await fabrics.attach(pair.sender, 's', pattern('s', pageBytes * 2));
      await fabrics.attach(pair.sender, 'other', pattern('other', 100));
      fabrics.harness.truncate(path, pageBytes);
      const unchanged = fabrics.fill(pair, 'canary');
      expect(await pair.connection.write([item('s', pageBytes - 10, 0, 20)]).done).toMatchObject({
        status: 'failed',
        code: 'segment_invalid',
        bytes: 0,
        drained: true,
      });
      unchanged();
      expect(await pair.connection.write([item('other', 0, 0, 100)]).done).toEqual({
        status: 'delivered',
        bytes: 100,
      });
    });

    test('during a write makes it fail, and nobody crashes; the connection stays usable', async () => {
      const pair = await fabrics.openPair();
      const path = await fabrics.attach(pair.sender, 's', pattern('s', pageBytes * pages));
      const write = writeUntilItEnds(pair.connection, 's');
      await fabrics.untilSomethingLanded(pair);
      fabrics.harness.truncate(path, pageBytes);
      expect(await write).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
      await pair.sender.detachSegment('s');
      await fabrics.attach(pair.sender, 's', pattern('again', pageBytes));
      expect(await pair.connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
        status: 'delivered',
        bytes: pageBytes,
      });
      expectSame(fabrics.harness.readFile(pair.path, { offset: 0, length: pageBytes }), pattern('again', pageBytes));
    });
  });
}
