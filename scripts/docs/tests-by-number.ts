/** Finds the tests of a guarantee: those that carry its number (S1, P12, T9) in their name. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// Matches `test('name'`, `test.each(list)('name'`, and the end of a list that spans several lines: `])('name'`.
const TEST_NAME = /^\s*(?:test|it)(?:\.\w+)*\((?:[^'`;{]*\)\()?\s*['`][^'`]*|\]\)\(\s*['`][^'`]*/gm;
/** The list of cases of `npm run test:vllm`, and the names in it. */
const CASES = 'vllm/proof/cases.py';
const CASE_NAME = /^ {4}"[^"]+": /gm;
const NUMBER = /\b[SPT]\d{1,2}\b/g;

/** Paths of test files, relative to `folder`, by the numbers in the names of their tests. Both are sorted. */
export function testsByNumber(folder: string): ReadonlyMap<string, readonly string[]> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = new Map<string, string[]>();
  for (const path of paths.filter((one) => one.endsWith('.test.ts') || one === CASES).sort()) {
    const names = readFileSync(join(folder, path), 'utf8').match(path === CASES ? CASE_NAME : TEST_NAME) ?? [];
    for (const number of new Set(names.join('\n').match(NUMBER))) {
      files.set(number, [...(files.get(number) ?? []), path]);
    }
  }
  return files;
}
