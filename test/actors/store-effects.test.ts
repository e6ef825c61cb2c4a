/** Which steps of a request are effects of a message of its own sender (P12). */
import { expect, test } from 'vitest';
import { StoreEffects, type StoreEffectsParts } from '../../src/actors/receiving/store-effects.js';

test('P12: a step in a later turn → not the effect of the message before it', () => {
  const holder = { request: 'r', epoch: '00000000000000aa' };
  const ready = { type: 'chunks.ready', holder, batch: 0, written: 1, joined: 0 } as const;
  const steps: boolean[] = [];
  const ingests = { get: () => ({ send: ({ own }: { own: boolean }) => steps.push(own) }) };
  const store = { execute: () => effects.run(ready) };
  const effects = new StoreEffects(
    {} as ConstructorParameters<typeof StoreEffects>[0],
    { store, ingests } as unknown as StoreEffectsParts,
  );
  const lists = { pages: [0], generations: [1], lengths: [1] };
  effects.executeFor({ type: 'commit', holder, batch: 0, part: 0, ...lists });
  effects.run(ready);
  expect(steps).toEqual([true, false]);
});
