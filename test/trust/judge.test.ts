import { expect, test } from 'vitest';
import { judge, type Observed } from './judge.js';

const refused: Observed = {
  ...{ attack: 'a', by: 'observer', refusals: ['permission s'], contained: [], effects: [] },
};

test('attacks that were refused or contained → none succeeded, nothing is broken', () => {
  const contained = { ...refused, attack: 'b', refusals: [], contained: ['in its own key space'] };
  expect(judge([refused, contained])).toEqual({ attacks: 2, refused: 2, succeeded: 0, broken: [] });
});

test('an attack that was refused and had an effect → it succeeded', () => {
  const effects = ['victim-1 ended failed', 'agent decode-0: 1 requests in progress'];
  expect(judge([refused, { ...refused, attack: 'b', effects }])).toEqual({
    attacks: 2,
    refused: 1,
    succeeded: 1,
    broken: ['observer: b: victim-1 ended failed; agent decode-0: 1 requests in progress'],
  });
});

test('an attack without effect that nothing refused → it is broken', () => {
  expect(judge([{ ...refused, refusals: [] }])).toEqual({
    attacks: 1,
    refused: 0,
    succeeded: 0,
    broken: ['observer: a: it had no effect, and nothing refused it'],
  });
});
