import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitting, inMessages, jsonBytes, MessageRoom } from '../../src/protocol/message-room.js';

const texts = fc.array(fc.string({ unit: 'binary', maxLength: 40 }));

describe('a list in a message', () => {
  test('bytes are those of UTF-8 and of escapes', () => {
    expect(['a', 'я', '😀', '"', '\u0001'].map(jsonBytes)).toEqual([3, 4, 6, 4, 8]);
  });

  test('room → one comma for each element, and nothing is taken by what does not fit', () => {
    const room = new MessageRoom(10);
    expect([room.take(4), room.take(5), room.take(4), room.take(0)]).toEqual([true, false, true, false]);
  });

  test('what fits → the longest beginning that is within both limits', () => {
    fc.assert(
      fc.property(texts, fc.nat(20), fc.nat(300), (list, limit, bytes) => {
        const shown = fitting(list, limit, bytes);
        const size = (part: readonly string[]) => jsonBytes(part) - 1;
        expect(shown).toEqual(list.slice(0, shown.length));
        expect(shown.length === 0 || size(shown) <= bytes).toBe(true);
        const next = list.slice(0, shown.length + 1);
        if (next.length > shown.length) expect(next.length > limit || size(next) > bytes).toBe(true);
      }),
    );
  });

  test('parts → the same elements in order, each part within the limits or one element', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 8 }), fc.nat(300), (list, lengthMax, bytesMax) => {
        const parts = inMessages(list, lengthMax, jsonBytes, bytesMax);
        expect(parts.flat()).toEqual(list);
        expect(parts.every((part) => part.length > 0 || list.length === 0)).toBe(true);
        const isWithin = (part: string[]) => part.length <= lengthMax && jsonBytes(part) - 1 <= bytesMax;
        expect(parts.filter((part) => part.length > 1 && !isWithin(part))).toEqual([]);
      }),
    );
  });

  test('nothing → one empty part', () => {
    expect(inMessages([], 4, jsonBytes, 100)).toEqual([[]]);
  });
});
