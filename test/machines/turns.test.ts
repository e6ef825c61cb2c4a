/** P22: the order in which the ranks of a request get their pages. */
import { describe, expect, test } from 'vitest';
import { advance, type RankState, turnOf } from '../../machines/turns.js';

describe('turnOf', () => {
  const cases: readonly [receivers: readonly string[], states: readonly RankState[], turn: string | null][] = [
    [['a', 'b'], ['absent', 'absent'], null],
    [['a', 'b'], ['held', 'absent'], null],
    [['a', 'b'], ['complete', 'absent'], null],
    [['a', 'b'], ['held', 'held'], 'a'],
    [['b', 'a'], ['held', 'held'], 'a'],
    [['d10', 'd9'], ['held', 'held'], 'd10'],
    [['a', 'b'], ['admitted', 'held'], 'b'],
    [['a', 'a', 'b'], ['admitted', 'held', 'held'], 'a'],
    [['a', 'b'], ['complete', 'admitted'], null],
    [['a', 'b'], ['complete', 'complete'], null],
  ];

  test.each(cases)('P22: the ranks at %j are %j → %j', (receivers, states, turn) => {
    expect(turnOf(receivers, states)).toBe(turn);
  });
});

describe('advance', () => {
  test('P22: a rank moves on, and a late report takes nothing back', () => {
    let states: readonly RankState[] = ['absent', 'absent'];
    const seen: string[] = [];
    for (const state of ['held', 'complete', 'admitted', 'held'] as const) {
      states = advance(states, 1, state);
      seen.push(states.join(' '));
    }
    expect(seen).toEqual(['absent held', 'absent complete', 'absent complete', 'absent complete']);
  });
});
