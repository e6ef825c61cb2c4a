/** Every guarantee that holds has at least one test that carries its number in its name. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const guarantees = [
  ...Array.from({ length: 16 }, (_, index) => `S${index + 1}`),
  ...[1, 3, 4, 6, 8, 9, 10, 11, 13, 16].map((number) => `P${number}`),
];

test('every guarantee is named by a test', () => {
  const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => readFileSync(join(import.meta.dirname, path), 'utf8'));
  const names = sources.flatMap((source) => source.match(/\b(?:test|it)(?:\.\w+)*\(\s*['`][^'`]*/g) ?? []).join('\n');
  expect(guarantees.filter((guarantee) => !new RegExp(`\\b${guarantee}\\b`).test(names))).toEqual([]);
});
