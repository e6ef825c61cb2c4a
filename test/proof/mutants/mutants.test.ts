import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { StoredMutant } from '../../../scripts/docs/mutants-page.js';
import { mutated } from './mutant.js';
import { mutants } from './mutants.js';
import { inOrder, testsNear } from './near-tests.js';
import { reportOf } from './report.js';
import { foundIn, storedRun } from './stored-run.js';

const root = path.join(import.meta.dirname, '../../..');

test('every mutant → its module has the text to change exactly once', () => {
  const unplantable = mutants.flatMap((mutant) => {
    try {
      const source = readFileSync(path.join(root, mutant.module), 'utf8');
      return mutated(mutant, source) === source ? [`${mutant.id} changes nothing`] : [];
    } catch (error) {
      return [String(error)];
    }
  });
  expect(unplantable).toEqual([]);
});

test('the list of mutants → at least 60, every name once', () => {
  const ids = mutants.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThanOrEqual(60);
});

test('the stored run → has every mutant of the list as it is now', () => {
  const stored = JSON.parse(readFileSync(path.join(root, 'docs/mutants/run.json'), 'utf8')) as StoredMutant[];
  expect(storedRun(mutants, foundIn(stored))).toEqual(stored);
});

test('a mutant of each room → the tests of the room, then those of agents', () => {
  expect(new Set(mutants.map(({ module }) => testsNear(module).join(' ')))).toEqual(
    new Set(['test/store test/actors', 'test/machines test/actors', 'test/actors', 'test/control', 'test/client']),
  );
  expect(() => testsNear('src/cli/main.ts')).toThrow('no tests are named for src/cli/main.ts');
  expect(inOrder(['/r/test/actors/a.test.ts', '/r/test/store/c.test.ts', '/r/test/store/b.test.ts'])).toEqual([
    '/r/test/store/b.test.ts',
    '/r/test/store/c.test.ts',
    '/r/test/actors/a.test.ts',
  ]);
});

test('text that occurs twice or never → the mutant is refused', () => {
  const mutant = { id: 'm', module: 'a.ts', find: 'x', replace: 'y', defect: 'd' };
  expect(mutated(mutant, '1 x 2')).toBe('1 y 2');
  expect(() => mutated(mutant, 'x x')).toThrow('mutant m: a.ts must have this text once, and has it 2 times: x');
  expect(() => mutated(mutant, '')).toThrow('has it 0 times');
});

test('outcomes of a run → score, survivors and what found the others', () => {
  const mutant = (id: string, more = {}) => ({
    id,
    module: 'a.ts',
    find: 'x',
    replace: 'y',
    defect: `d ${id}`,
    ...more,
  });
  const all = [mutant('a'), mutant('b'), mutant('c', { equivalent: 'it only logs' }), mutant('d')];
  const outcomes = [
    { id: 'a', foundBy: 'test/store/one.test.ts > t', seconds: 1 },
    { id: 'b', foundBy: undefined, seconds: 1 },
    { id: 'd', foundBy: 'test/store/two.test.ts > t', seconds: 1 },
  ];
  const of = (id: string) => ({ id, module: 'a.ts', defect: `d ${id}` });
  const stored = [
    { ...of('a'), foundBy: 'test/store/one.test.ts > t' },
    of('b'),
    { ...of('c'), equivalent: 'it only logs' },
    { ...of('d'), foundBy: 'test/store/two.test.ts > t' },
  ];
  expect(storedRun(all, outcomes)).toEqual(stored);
  expect(reportOf(all, outcomes)).toEqual({
    planted: 4,
    found: 2,
    equivalent: 1,
    survivors: [{ id: 'b', defect: 'd b' }],
    score: 0.667,
    byCheck: { 'test/store': 2 },
  });
});
