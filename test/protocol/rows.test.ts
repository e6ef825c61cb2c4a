import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { rows } from '../../src/protocol/rows.js';

const row = z.strictObject({
  name: z.string().regex(/^[a-z]+$/),
  offset: z.int().min(0),
  count: z.int().min(1).max(9).default(1),
  ratio: z.number().optional(),
  flag: z.boolean().optional(),
  above: z.int().gt(2).optional(),
  small: z.int32().optional(),
  even: z
    .int()
    .refine((value) => value % 2 === 0)
    .optional(),
  short: z
    .string()
    .overwrite((text) => text.slice(0, 2))
    .optional(),
  inner: z.strictObject({ step: z.int().min(1), label: z.string().optional(), more: z.int().default(7) }).optional(),
  list: z.array(z.int()).max(2).optional(),
});
const LENGTH_MAX = 6;
const plain = z.array(row).max(LENGTH_MAX);
const quick = rows(row, LENGTH_MAX);

/** Values that fit, and those around them that do not. */
const integer = fc.oneof(fc.integer({ min: -1, max: 11 }), fc.constantFrom(0.5, 2 ** 53, '1', null, -0));
const text = fc.constantFrom('a', 'b', 'abc', 'A', '', 7, null);
const value = fc.record(
  {
    name: fc.oneof({ weight: 5, arbitrary: fc.constant('a') }, text),
    offset: fc.oneof({ weight: 5, arbitrary: fc.nat(9) }, integer),
    count: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 9 }) }, integer),
    ratio: fc.constantFrom(1, 1.5, Number.NaN, 'x'),
    flag: fc.constantFrom(true, false, 1),
    above: integer,
    small: fc.constantFrom(1, 2 ** 31),
    even: integer,
    short: text,
    inner: fc.oneof(
      fc.record({ step: integer, label: text, more: integer, other: integer }, { requiredKeys: [] }),
      fc.record({ step: fc.integer({ min: 1, max: 3 }), label: fc.constant('a') }),
      fc.constantFrom(null, 1, []),
    ),
    list: fc.oneof(fc.array(fc.nat(3), { maxLength: 3 }), integer),
    other: integer,
  },
  { requiredKeys: [] },
);
const usual = fc.record({ name: fc.constant('a'), offset: fc.nat(9) });
const lists = fc.oneof(
  fc.array(fc.oneof({ weight: 4, arbitrary: usual }, value), { maxLength: LENGTH_MAX }),
  fc.array(
    fc.record({ name: fc.constant('a'), offset: fc.nat(9), small: fc.constantFrom(1, 2 ** 31) }, { requiredKeys: [] }),
    { maxLength: LENGTH_MAX },
  ),
  fc.array(fc.oneof(usual, fc.record({ name: fc.constant('a'), offset: integer })), { maxLength: LENGTH_MAX }),
);

function judged(schema: z.ZodType, input: unknown): unknown {
  const result = schema.safeParse(input);
  return result.success ? result.data : result.error.issues[0];
}

describe('P28: rows, a list that is checked faster', () => {
  test('any list → the value, or the first fault, that z.array has', () => {
    fc.assert(
      fc.property(lists, (list) => {
        expect(judged(quick, structuredClone(list))).toEqual(judged(plain, list));
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    ['no list', 7],
    ['a list of no objects', [1]],
    ['undefined', undefined],
    ['a missing field', [{}]],
  ])('%s → the fault that z.array finds', (_, input) => {
    expect(judged(quick, input)).toEqual(judged(plain, input));
  });

  test('a field __proto__ of a later row → unrecognized', () => {
    const list: unknown = JSON.parse('[{"name":"a","offset":1},{"name":"a","offset":2,"__proto__":{"count":3}}]');
    expect(judged(quick, list)).toMatchObject({ code: 'unrecognized_keys', path: [1] });
  });

  test('a list that is too long → refused, and no row of it is looked at', () => {
    const looked: unknown[] = [];
    const list = Array.from({ length: LENGTH_MAX + 1 }, () => ({
      get name() {
        looked.push(this);
        return 'a';
      },
      offset: 1,
    }));
    expect(judged(quick, list)).toMatchObject({ code: 'too_big' });
    expect(looked).toEqual([]);
  });

  test('a rule for the whole object → asked for every row', () => {
    const ruled = rows(
      z.strictObject({ a: z.int(), b: z.int() }).refine(({ a, b }) => a < b),
      LENGTH_MAX,
    );
    const list = [
      { a: 1, b: 2 },
      { a: 2, b: 1 },
    ];
    expect(judged(ruled, list)).toMatchObject({ path: [1] });
  });

  test('described and refined → later rows still pass without Zod', () => {
    const list = [
      { name: 'a', offset: 1, count: 1 },
      { name: 'a', offset: 2, count: 1 },
    ];
    const checked = quick
      .describe('rows')
      .refine(() => true)
      .parse(list);
    expect(checked[1]).toBe(list[1]);
  });
});
