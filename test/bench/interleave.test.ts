import { expect, test } from 'vitest';
import { interleave } from '../../bench/harness/interleave.js';

test('takes turns, and does not keep the rounds that warm up', async () => {
  const order: string[] = [];
  const turn = (name: string) => ({
    name,
    take: async (round: number) => {
      order.push(`${name}${round}`);
      return `${name}${round}`;
    },
  });
  const taken = await interleave([turn('a'), turn('b')], { rounds: 2, warmUpRounds: 1 });
  expect(order).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
  expect([...taken]).toEqual([
    ['a', ['a1', 'a2']],
    ['b', ['b1', 'b2']],
  ]);
});
