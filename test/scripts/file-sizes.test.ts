import { expect, test } from 'vitest';
import { complaintsAboutBytes, complaintsAboutSizes } from '../../scripts/lint/file-sizes.mjs';

const lines = (count: number) => 'x\n'.repeat(count);

test('a source file of 401 lines → named with its length, one of 400 is not', () => {
  const files = ['src/a.ts', 'src/b.css', 'src/native/cc/core/c.cc', 'clients/python/src/d.py'];
  expect(complaintsAboutSizes(files, (file) => lines(file === 'src/a.ts' ? 400 : 401))).toEqual([
    'src/b.css: 401 lines; split it, since a file has at most 400',
    'src/native/cc/core/c.cc: 401 lines; split it, since a file has at most 400',
    'clients/python/src/d.py: 401 lines; split it, since a file has at most 400',
  ]);
});

test('tests and generated files may be longer than source files', () => {
  expect(complaintsAboutSizes(['test/a.test.ts', 'package-lock.json'], () => lines(900))).toEqual([]);
});

test('a file of more than 1 MiB → named', () => {
  const sizes: Readonly<Record<string, number>> = { 'docs/a.svg': 2 ** 20, x: 2 ** 32 - 1 };
  expect(complaintsAboutBytes(Object.keys(sizes), (file) => sizes[file] ?? 0)).toEqual([
    'x: 4096 MiB; remove it, since a file has at most 1 MiB',
  ]);
});
