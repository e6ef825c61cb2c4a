import { expect, test } from 'vitest';
import { Allocations } from '../../src/actors/receiving/allocations.js';

const holder = { request: 'r', epoch: '00000000000000aa' };
const reply = {};
const other = { allocation: { grant: 'g', pages: [1], generations: [1], alreadySent: [], joined: [] } };

test('an answered batch is forgotten: a later refusal does not reach it', async () => {
  const allocations = new Allocations();
  const answers = [0, 1].map((batch) => allocations.add(holder, batch));
  expect([reply, other].map((answer) => allocations.settle(holder, 0, answer))).toEqual([true, false]);
  allocations.refuseAll(holder, new Error('ended'));
  allocations.close(new Error('closed'));
  expect(await Promise.allSettled(answers)).toEqual([
    { status: 'fulfilled', value: reply },
    { status: 'rejected', reason: new Error('ended') },
  ]);
});

test('the agent closes → every open batch is refused', async () => {
  const allocations = new Allocations();
  const answer = allocations.add(holder, 0);
  allocations.close(new Error('closed'));
  await expect(answer).rejects.toThrow('closed');
});
