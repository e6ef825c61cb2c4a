import { describe, expect, test } from 'vitest';
import { Random } from '../../src/figures/random.js';
import { refuseManyParts } from '../../src/protocol/json-size.js';
import { LIST_LENGTH_MAX } from '../../src/protocol/limits.js';

const CONTAINERS_MAX = 32_768;
const FIELDS_MAX = 1024;
/** Of the longest run of spaces. The parts are counted in another way after 64 characters. */
const SPACES_MAX = 90;

/** The parts, with random runs of spaces between them. */
function spaced(parts: readonly string[], between: string): string {
  const random = new Random(parts.length);
  return parts.map((part) => ' '.repeat(random.integer(0, SPACES_MAX)) + part).join(between);
}

function times(count: number, part: string): string[] {
  return new Array<string>(count).fill(part);
}

describe('P28: the parts of a text are counted, wherever its spaces stand', () => {
  test.each([
    ['elements of a list', LIST_LENGTH_MAX, (count: number) => `[${spaced(times(count, '0'), ',')}]`],
    ['fields of an object', FIELDS_MAX, (count: number) => `{${spaced(times(count, '"a":1'), ',')}}`],
    ['objects and lists', CONTAINERS_MAX, (count: number) => spaced(times(count / 2, '[{}]'), '')],
    ['lists in lists', CONTAINERS_MAX, (count: number) => `${spaced(times(count, '['), '')}${']'.repeat(count)}`],
  ])('%s: as many as are allowed → passes, and two more → refused', (_, allowed, text) => {
    expect(() => refuseManyParts(text(allowed))).not.toThrow();
    expect(() => refuseManyParts(text(allowed + 2))).toThrow('message: it has ');
  });

  test.each([1, 2, 3])('a text that ends with %i escaped backslashes → what follows it is counted', (count) => {
    const first = `"${'\\\\'.repeat(count)}"`;
    const elements = (length: number) => `[${[first, ...times(length - 1, '0')].join(',')}]`;
    expect(() => refuseManyParts(elements(LIST_LENGTH_MAX))).not.toThrow();
    expect(() => refuseManyParts(elements(LIST_LENGTH_MAX + 1))).toThrow('message: it has ');
  });

  test('brackets and commas in texts → are no parts', () => {
    const texts = spaced(times(LIST_LENGTH_MAX, `"${'[{,\\"]}'.repeat(20)}"`), ',');
    expect(() => refuseManyParts(`[${texts}]`)).not.toThrow();
  });
});
