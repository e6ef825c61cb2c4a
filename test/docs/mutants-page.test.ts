import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutantsPage, type StoredMutant } from '../../scripts/docs/mutants-page.js';

test('docs/mutants.md → the page that the stored run gives', () => {
  const run = JSON.parse(readFileSync('docs/mutants/run.json', 'utf8')) as StoredMutant[];
  expect(mutantsPage(run) === readFileSync('docs/mutants.md', 'utf8'), 'run `npm run docs`').toBe(true);
});

test('a stored run → its counts, and for each mutant what found it', () => {
  const of = (id: string) => ({ id, module: 'src/a.ts', defect: `Defect ${id}.` });
  const page = mutantsPage([
    { ...of('a'), foundBy: 'test/store/one.test.ts > x > a|b' },
    { ...of('b'), foundBy: 'near: no end within 300 s' },
    of('c'),
    { ...of('d'), equivalent: 'It only logs.' },
  ]);
  expect(page.split('## The stored run\n\n')[1]).toBe(
    [
      'The tests find 2 of 3 mutants. Equivalent mutants: 1.',
      '',
      '| mutant | defect | found by |',
      '|---|---|---|',
      '| `a` | Defect a. | [store/one](../test/store/one.test.ts): x > a\\|b |',
      '| `b` | Defect b. | near: no end within 300 s |',
      '| `c` | Defect c. | **nothing** |',
      '| `d` | Defect d. | equivalent: It only logs. |',
      '',
    ].join('\n'),
  );
});
