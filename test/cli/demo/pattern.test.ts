import { describe, expect, test } from 'vitest';
import { fillPage, findMismatch } from '../../../src/cli/demo/pattern.js';

const PAGE_BYTES = 3 * 4096;
const scratch = Buffer.alloc(PAGE_BYTES);

function pageOf(key: string, bytes = PAGE_BYTES): Buffer {
  const page = Buffer.alloc(bytes);
  fillPage(page, key);
  return page;
}

describe('the pattern of a page', () => {
  test('is the same for the same key', () => {
    expect(findMismatch(pageOf('a'), 'a', scratch)).toBeUndefined();
    expect(pageOf('a').equals(pageOf('a'))).toBe(true);
  });

  test('differs between keys from the first bytes after the stamp on', () => {
    expect(pageOf('a').equals(pageOf('b'))).toBe(false);
    expect(findMismatch(pageOf('b'), 'a', scratch)?.offset).toBeLessThan(8);
  });

  test.each([0, 3, 4, 4095, 4096, 8191, PAGE_BYTES - 1])('shows a flipped byte at %d', (offset) => {
    const page = pageOf('a');
    const expected = page.readUInt8(offset);
    page.writeUInt8(expected ^ 1, offset);
    expect(findMismatch(page, 'a', scratch)).toEqual({ offset, expected, actual: expected ^ 1 });
  });

  test('shows blocks in the wrong order', () => {
    const page = pageOf('a');
    const [first, second, third] = [0, 1, 2].map((block) =>
      Buffer.from(page.subarray(block * 4096, (block + 1) * 4096)),
    );
    const swapped = Buffer.concat([first, third, second] as Buffer[]);
    expect(findMismatch(swapped, 'a', scratch)).toEqual({ offset: 4096, expected: 1, actual: 2 });
  });

  test('shows swapped pages', () => {
    const pages = new Map([
      ['a', pageOf('b')],
      ['b', pageOf('a')],
    ]);
    for (const [key, page] of pages) expect(findMismatch(page, key, scratch)).toBeDefined();
  });

  test('shows a page that was never written', () => {
    expect(findMismatch(Buffer.alloc(PAGE_BYTES), 'a', scratch)).toBeDefined();
  });

  test.each([1, 3, 64, 4096, 5000, 8195])('works for %d bytes', (bytes) => {
    const page = pageOf('a', bytes);
    expect(findMismatch(page, 'a', scratch)).toBeUndefined();
    page.writeUInt8(page.readUInt8(bytes - 1) ^ 0x80, bytes - 1);
    expect(findMismatch(page, 'a', scratch)).toMatchObject({ offset: bytes - 1 });
  });
});
