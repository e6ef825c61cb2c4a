import { expect, test } from 'vitest';
import { pairsOf } from '../../src/cli/sim/pairs.js';

test('kinds that struck → for each pair, the scenarios in which both struck', () => {
  const scenarios = [['crash', 'decodeCrash', 'cancel'], ['cancel', 'crash'], ['crash', 'freeze'], []];
  expect(pairsOf(scenarios)).toEqual({ 'cancel+crash': 2, 'cancel+freeze': 0, 'crash+freeze': 1 });
});

test('no scenario, or no fault → no pair', () => {
  expect([pairsOf([]), pairsOf([[], []])]).toEqual([{}, {}]);
});
