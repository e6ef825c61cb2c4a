import { expect, test } from 'vitest';
import { Allocations } from '../../src/actors/receiving/allocations.js';

const holder = { request: 'r', epoch: '00000000000000aa' };
const reply = { pages: [], generations: [], alreadySent: [], joined: [] };

test('an answered batch is forgotten: a later refusal does not reach it', async () => {
  const allocations = new Allocations();
  const answers = [0, 1].map((batch) => allocations.add(holder, batch, 'g'));
  allocations.settle(holder, 0, 'g', reply);
  allocations.settle(holder, 0, 'g', { ...reply, pages: [1] });
  allocations.refuseAll(holder, new Error('ended'));
  allocations.close(new Error('closed'));
  expect(await Promise.allSettled(answers)).toEqual([
    { status: 'fulfilled', value: reply },
    { status: 'rejected', reason: new Error('ended') },
  ]);
});

test('the agent closes → every open batch is refused', async () => {
  const allocations = new Allocations();
  const answer = allocations.add(holder, 0, 'g');
  allocations.close(new Error('closed'));
  await expect(answer).rejects.toThrow('closed');
});

test('pages bound to another remote key than the sender named → it must ask again', async () => {
  const allocations = new Allocations();
  const answer = allocations.add(holder, 0, 'older');
  allocations.settle(holder, 0, 'newer', reply);
  await expect(answer).rejects.toMatchObject({ code: 'stale_grant', field: 'grant' });
});
