import { describe, expect, test } from 'vitest';
import { complaintsAboutTests, testsIn } from '../../scripts/lint/test-names.mjs';

const FILE = 'test/store/a.test.ts';
const GOOD = 'a key is removed twice → the second call finds nothing';

/** What the check says of this test file. */
function check(source: string): string[] {
  return complaintsAboutTests([FILE], () => source);
}

describe('testsIn', () => {
  test('names are found in every way of declaring a test', () => {
    const source = [
      "test('plain', () => {});",
      "test.each([1, 2])('of rows %s', () => {});",
      "test.skipIf(reason).each(rows)('skipped', () => {});",
      "it.skipIf(reason)('of it', () => {});",
      'test(`with a template`, () => {});',
      'test(name, () => {});',
      "describe('no test', () => {});",
    ];
    expect(testsIn(FILE, source.join('\n'))).toEqual([
      { called: 'test', name: 'plain' },
      { called: 'test', name: 'of rows %s' },
      { called: 'test', name: 'skipped' },
      { called: 'it', name: 'of it' },
      { called: 'test', name: 'with a template' },
      { called: 'test', name: undefined },
    ]);
  });
});

describe('complaintsAboutTests', () => {
  test('a good name passes, and other files are not read', () => {
    expect(check(`test('${GOOD}', () => {});`)).toEqual([]);
    expect(complaintsAboutTests(['src/store/a.ts'], () => 'not TypeScript')).toEqual([]);
  });

  test('it() is refused', () => {
    expect(check(`it('${GOOD}', () => {});`)).toEqual([
      `${FILE}: the test name "${GOOD}" belongs to it(): write test()`,
    ]);
  });

  test('a name that is too long or too short is refused', () => {
    const long = 'x'.repeat(81);
    expect(check(`test('${long}', () => {}); test('is good', () => {});`)).toEqual([
      `${FILE}: the test name "${long}" has more than 80 characters`,
      `${FILE}: the test name "is good" has fewer than 15 characters`,
    ]);
  });

  test('a name that a file has twice is refused', () => {
    expect(check(`test('${GOOD}', () => {}); test('${GOOD}', () => {});`)).toEqual([
      `${FILE}: the test name "${GOOD}" is there twice`,
    ]);
  });
});
