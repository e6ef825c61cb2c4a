/** The arena: the one piece of memory of a fabric that others may write to. */
import { describe, expect, test } from 'vitest';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { expectSame, pageBytes, pages, tooManyBytes } from './writes.js';

export function describeArena(fabrics: Fabrics): void {
  describe('arena', () => {
    test('is a file of zeros of the right size, and is gone after close', async () => {
      const { fabric, path } = await fabrics.openReceiver({ pageBytes: 4096, pages: 3 });
      expectSame(fabrics.harness.readFile(path), new Uint8Array(3 * 4096));
      await fabric.close();
      expect(fabrics.harness.exists(path)).toBe(false);
    });

    test('is where endpoints come from', async () => {
      const fabric = await fabrics.open();
      expect(fabric.endpoints()).toEqual([]);
      await fabric.createArena({ path: fabrics.harness.newPath('arena'), pageBytes, pages });
      expect(fabric.endpoints().map(({ provider }) => provider)).toEqual([fabrics.harness.provider]);
      expect(fabric.unavailable()).toEqual([]);
    });

    test.skipIf(fabrics.onDevice)('takes no path that is taken', async () => {
      const fabric = await fabrics.open();
      const path = fabrics.harness.newPath('arena');
      fabrics.harness.writeFile(path, pattern('mine', 100));
      await expect(fabric.createArena({ path, pageBytes, pages })).rejects.toMatchObject({
        code: 'arena_unavailable',
      });
      expectSame(fabrics.harness.readFile(path), pattern('mine', 100));
    });

    test.each([
      ['no pages', { pageBytes, pages: 0 }],
      ['a negative size', { pageBytes: -4096, pages }],
      ['half a page', { pageBytes: 4096.5, pages }],
      ['a size that is no number', { pageBytes, pages: Number.NaN }],
      ['more than there is', { pageBytes: tooManyBytes, pages: 1 }],
    ])('is refused for %s, and may be asked for again', async (_, size) => {
      const fabric = await fabrics.open();
      const path = fabrics.harness.newPath('arena');
      await expect(fabric.createArena({ path, ...size })).rejects.toMatchObject({ code: 'arena_unavailable' });
      expect(fabrics.harness.exists(path)).toBe(false);
      await fabric.createArena({ path, pageBytes, pages });
    });

    test('is refused at a relative path', async () => {
      const fabric = await fabrics.open();
      await expect(fabric.createArena({ path: 'arena', pageBytes, pages })).rejects.toMatchObject({
        code: 'arena_unavailable',
      });
    });

    test('is the only one of its fabric', async () => {
      const { fabric } = await fabrics.openReceiver();
      const path = fabrics.harness.newPath('second');
      await expect(fabric.createArena({ path, pageBytes, pages })).rejects.toMatchObject({
        code: 'arena_unavailable',
      });
      expect(fabrics.harness.exists(path)).toBe(false);
    });
  });
}
