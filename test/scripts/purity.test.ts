import { expect, test } from 'vitest';
import { complaintsAboutPurity } from '../../scripts/lint/purity.mjs';

const check = (source: string, file = 'src/store/a.ts') => complaintsAboutPurity([file], () => source);

test.each([
  ['Date.now();', 'Date.now'],
  ['const at = new Date();', 'new Date'],
  ['Math.random();', 'Math.random'],
  ['performance.now();', 'performance.now'],
  ['setTimeout(run, 1);', 'setTimeout'],
  ['process.env.HOME;', 'process.env'],
])('%s in the store is refused', (source, what) => {
  expect(check(`\n${source}`)).toEqual([`src/store/a.ts:2: ${what} is not for pure code; use a port`]);
});

test('the clock port, arithmetic and other folders pass', () => {
  expect(check('clock.setTimeout(run, 1); Math.max(1, 2);')).toEqual([]);
  expect(check('Date.now();', 'src/control/a.ts')).toEqual([]);
});
