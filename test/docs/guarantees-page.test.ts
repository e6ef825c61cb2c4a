import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { failureGuarantees, transferGuarantees } from '../../scripts/docs/guarantees.js';
import { guaranteesPage } from '../../scripts/docs/guarantees-page.js';
import { scenarios } from '../../scripts/docs/scenarios.js';
import { testsByNumber } from '../../scripts/docs/tests-by-number.js';

const guarantees = [...transferGuarantees, ...failureGuarantees];
const entries = [...guarantees, ...scenarios];

function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
}

describe('docs/guarantees.md', () => {
  test('the page is what its texts and the test names give', () => {
    const page = readFileSync('docs/guarantees.md', 'utf8');
    expect(guaranteesPage(testsByNumber('test')) === page, 'run `npm run docs`').toBe(true);
  });

  test('every number has an entry, in order', () => {
    expect(entries.map(({ number }) => number)).toEqual([
      ...numbered('S', 16),
      ...numbered('P', 18),
      ...['P19', 'P20', 'P21', 'P22', 'P23', 'P24', 'P25', 'P26', 'P27', 'P28', 'P29', 'P30', 'P31', 'P32'],
      ...numbered('T', 16),
      ...['T17', 'T18', 'T19', 'T20', 'T21', 'T22', 'T23', 'T24', 'T25', 'T26', 'T27', 'T28', 'T29', 'T30'],
    ]);
  });

  test('every number has a test, and every number in a test name has an entry', () => {
    const numbers = entries.map(({ number }) => number);
    expect([...testsByNumber('test').keys()].sort()).toEqual(numbers.sort());
  });

  test.each(entries.map((entry) => [entry.number, Object.values(entry).filter((text) => typeof text === 'string')]))(
    'the texts of %s are sentences',
    (number, texts) => {
      const sentences = texts.filter((text) => text !== number);
      expect(sentences).toHaveLength(2);
      for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].+[.]$/);
    },
  );

  test('the files that keep a promise exist', () => {
    const paths = guarantees.flatMap(({ keptBy }) => keptBy);
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
    expect(guarantees.filter(({ keptBy }) => keptBy.length === 0)).toEqual([]);
  });

  test('a number without a test → the page cannot be made', () => {
    const tests = new Map(testsByNumber('test'));
    tests.delete('P12');
    expect(() => guaranteesPage(tests)).toThrow('no test has P12 in its name');
  });
});

describe('tests by number', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvferry-tests-by-number-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test('numbers in names of tests count, numbers elsewhere do not', () => {
    const [s1, s3, p1, p2, t9] = ['S1', 'S3', 'P1', 'P2', 'T9'];
    mkdirSync(join(folder, 'store'));
    writeFileSync(
      join(folder, 'store', 'one.test.ts'),
      `// ${p1} in a comment\ntest('${s3}, ${p2}: shared → one lease', () => {});\ntest.each([1])('${t9}: %i', () => {});\n`,
    );
    writeFileSync(join(folder, 'two.test.ts'), `it('${p2}: again', () => {});\n`);
    mkdirSync(join(folder, 'vllm/proof'), { recursive: true });
    writeFileSync(join(folder, 'vllm/proof/cases.py'), `"""${s1}"""\nCASES = {\n    "${t9}: a case": cases.one,\n}\n`);
    writeFileSync(join(folder, 'support.ts'), `test('${s1}: not in a test file', () => {});\n`);
    expect(Object.fromEntries(testsByNumber(folder))).toEqual({
      P2: ['store/one.test.ts', 'two.test.ts'],
      S3: ['store/one.test.ts'],
      T9: ['store/one.test.ts', 'vllm/proof/cases.py'],
    });
  });
});
