import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { mutated } from './mutant.js';
import { mutants } from './mutants.js';
import { reportOf } from './report.js';

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
  expect(reportOf(all, outcomes)).toEqual({
    planted: 4,
    found: 2,
    equivalent: 1,
    survivors: [{ id: 'b', defect: 'd b' }],
    score: 0.667,
    byCheck: { 'test/store': 2 },
  });
});
