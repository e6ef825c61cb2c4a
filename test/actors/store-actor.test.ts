import { expect, test } from 'vitest';
import { StoreActor } from '../../src/actors/receiving/store-actor.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import type { StoreEffect } from '../../src/store/messages.js';
import type { StoreOptions } from '../../src/store/options.js';
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

/** An actor whose store has `requests` requests of one chunk. They wait for one page, which request `w` writes. */
function crowded(requests: number, options_: Partial<StoreOptions> = {}) {
  const clock = new SimulatedClock();
  const effects: StoreEffect[] = [];
  const store = new Store({ ...options, pages: 1 + requests, holdersMax: 2 + requests, ...options_ });
  const actor = new StoreActor(store, clock, {
    onEffect: (effect) => effects.push(effect),
    onBroken: (invariant) => effects.push(invariant as never),
  });
  actor.execute({ type: 'grant', grant: 'g', epoch: 'e' });
  const allocate = (request: string, keys: string[]) =>
    actor.execute({
      ...{ type: 'allocate', holder: { request, epoch: 'e' }, grant: 'g', batch: 0, last: true },
      ...{ totalChunks: keys.length, keys, lengths: keys.map(() => 1) },
    });
  return { actor, clock, effects, store, allocate };
}

test('P30: a command has many effects → a turn passes some on, later turns the rest', async () => {
  const { actor, clock, effects, allocate } = crowded(100);
  allocate('w', ['k']);
  for (let joiner = 0; joiner < 100; joiner += 1) allocate(`j${joiner}`, ['k']);
  effects.length = 0;

  const holder = { request: 'w', epoch: 'e' };
  actor.execute({ type: 'commit', holder, batch: 0, part: 0, pages: [0], generations: [1], lengths: [1] });
  expect(effects.length).toBe(32);
  actor.execute({ type: 'end', holder, end: 'ready', reason: undefined });
  actor.execute({ type: 'release', holder, keys: undefined });
  expect(effects.length).toBe(32);
  await clock.advance(0);

  const order = effects.map((effect) => ('holder' in effect ? `${effect.type} ${effect.holder.request}` : effect.type));
  const joiners = Array.from({ length: 100 }, (_, joiner) => `chunks.ready j${joiner}`);
  expect(order).toEqual(['chunks.ready w', ...joiners, 'leases.ended w']);
});

test('P30: a large request ends → its chunks are taken back in several turns', async () => {
  const { actor, clock, store, allocate } = crowded(100, { chunksPerCommand: 10 });
  const holder = { request: 'w', epoch: 'e' };
  const keys = Array.from({ length: 100 }, (_, key) => `k${key}`);
  allocate('w', keys);
  await clock.advance(0);

  actor.execute({ type: 'end', holder, end: 'failed', reason: undefined });
  expect(store.pageCounts()).toMatchObject({ free: 1, writing: 90, quarantined: 10 });
  expect(store.brokenInvariant()).toBeUndefined();
  actor.execute({ type: 'drained', holder });
  await clock.advance(0);
  expect(store.pageCounts()).toMatchObject({ free: 101, writing: 0, quarantined: 0 });
  expect(store.brokenInvariant()).toBeUndefined();
});

test.each([
  ['is released', 'released'],
  ['expires', 'expired'],
] as const)('P30: a large ready request %s → its leases are taken back in several turns', async (_, cause) => {
  const { actor, clock, effects, store, allocate } = crowded(100, { chunksPerCommand: 10 });
  const holder = { request: 'w', epoch: 'e' };
  const keys = Array.from({ length: 100 }, (_, key) => `k${key}`);
  allocate('w', keys);
  const [pages, generations, lengths] = [keys.map((_, page) => page), keys.map(() => 1), keys.map(() => 1)];
  actor.execute({ type: 'commit', holder, batch: 0, part: 0, pages, generations, lengths });
  actor.execute({ type: 'end', holder, end: 'ready', reason: undefined });
  if (cause === 'released') {
    expect(actor.execute({ type: 'release', holder, keys: undefined })).toEqual({ existed: 100, freedPages: 100 });
  } else {
    await clock.advance(options.leaseMs);
    actor.execute({ type: 'expire' });
  }
  const { free } = store.pageCounts();
  expect([free > 1 && free < 20, store.brokenInvariant()]).toEqual([true, undefined]);
  await clock.advance(0);
  expect([store.pageCounts(), store.brokenInvariant()]).toMatchObject([{ free: 101, ready: 0 }, undefined]);
  expect(effects.filter(({ type }) => type === 'leases.ended')).toEqual([{ type: 'leases.ended', holder, cause }]);
});

test('P30: the owners are checked a few at a time → a round looks at every page', () => {
  const { actor, effects, allocate } = crowded(20_000);
  allocate('w', ['k']);
  effects.length = 0;
  for (let check = 0; check < 6; check += 1) actor.check();
  expect(effects).toEqual([]);
});
