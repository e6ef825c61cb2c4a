import { expect, test } from 'vitest';
import { StoreActor } from '../../src/actors/receiving/store-actor.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { Store } from '../../src/store/store.js';

const options = {
  pages: 2,
  pageBytes: 64,
  leaseMs: 1000,
  tombstonesMax: 10,
  tombstoneMs: 1000,
  holdersMax: 10,
  retainedMax: 0,
};

/** A store whose owners, as far as its check says, are broken. */
class StoreWithTwoOwners extends Store {
  override auditOwners(): string | undefined {
    return 'page 0 belongs to a and to b';
  }
}

function actorOf(store: Store) {
  const broken: string[] = [];
  const listener = { onEffect: () => undefined, onBroken: (invariant: string) => broken.push(invariant) };
  return { actor: new StoreActor(store, new SimulatedClock(), listener), broken };
}

test('the store actor is shut → it executes no command', () => {
  const { actor } = actorOf(new Store(options));
  actor.shut();
  expect(() => actor.execute({ type: 'expire' })).toThrow(expect.objectContaining({ code: 'agent_fenced' }));
});

test('a page has two owners, the counts are right → the check shuts the actor', () => {
  const { actor, broken } = actorOf(new StoreWithTwoOwners(options));
  actor.check();
  expect([broken, actor.isShut]).toEqual([['page 0 belongs to a and to b'], true]);
});
