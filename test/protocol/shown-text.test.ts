import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shortened, shownKey } from '../../src/protocol/shown-text.js';

const isWhole = (text: string) => !/\p{Cs}/u.test(text);

describe('texts for people', () => {
  test('a key of 64 characters is shown whole, a longer one by its two ends', () => {
    const key = `${'model'.repeat(20)}@1@0@${'0123456789abcdef'.repeat(4)}`;
    expect(shownKey('k'.repeat(64))).toBe('k'.repeat(64));
    expect(shownKey(key)).toBe(`${'model'.repeat(20).slice(0, 31)}…${'0123456789abcdef'.repeat(2)}`);
  });

  test('cutting leaves no half of a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 2, max: 60 }), (text, length) => {
        expect(isWhole(shortened(text, length))).toBe(true);
        expect(shortened(text, length).length).toBeLessThanOrEqual(Math.max(length, 2));
        expect(isWhole(shownKey(text))).toBe(true);
        expect(shownKey(text).length).toBeLessThanOrEqual(64);
      }),
    );
  });
});
