/** Every guarantee that holds has at least one test that carries its number in its name. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testsIn } from '../scripts/lint/test-names.mjs';

const numbers = (letter: string, count: number) => Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
const guarantees = [...numbers('S', 16), ...numbers('P', 32)];
const scenarios = numbers('T', 29);
/** Scenarios in which processes die and writes race: simulated ports are not enough. */
const onRealProcesses = ['T1', 'T2', 'T5', 'T9', 'T10', 'T16'];

/** Path and text of every test file under `directory`. */
function testFiles(directory: string): { path: string; source: string }[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, source: readFileSync(join(directory, path), 'utf8') }));
}

function namesIn(directory: string): string {
  const tests = testFiles(directory).filter(({ path }) => path.endsWith('.test.ts'));
  return tests.flatMap(({ path, source }) => testsIn(path, source).map(({ name }) => name)).join('\n');
}

function unnamed(numbers: readonly string[], names: string): string[] {
  return numbers.filter((number) => !new RegExp(`\\b${number}\\b`).test(names));
}

test('every guarantee and every scenario is named by a test', () => {
  expect(unnamed([...guarantees, ...scenarios], namesIn(import.meta.dirname))).toEqual([]);
  expect(unnamed(onRealProcesses, namesIn(join(import.meta.dirname, 'integration')))).toEqual([]);
});

test('P18: tests run the shipped code: no test replaces one of its modules', () => {
  const replacing = /\bvi\s*\.\s*(?:mock|doMock|stubGlobal|hoisted)\b/;
  const files = testFiles(import.meta.dirname).filter(({ source }) => replacing.test(source));
  expect(files.map(({ path }) => path)).toEqual([]);
});
