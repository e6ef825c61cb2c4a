/** The largest sizes that the limits allow: nothing is lost, and waiting requests cost other requests no time. */
import { expect, test, vi } from 'vitest';
import { StoreActor } from '../../src/actors/receiving/store-actor.js';
import { Store } from '../../src/store/store.js';
import { allocate, defaults, holderOf, queued } from './support.js';

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

test('P2: a thousand requests joined one writer → one after the other takes over', () => {
  let writer = 'writer';
  const store = new Store({ ...defaults, pages: 400, holdersMax: 2000 });
  const clock = { now: () => 0, setTimeout: () => undefined, clearTimeout: () => undefined };
  const broken: string[] = [];
  const actor = new StoreActor(store, clock, {
    onEffect: (effect) => {
      if (effect.type === 'handed.over') writer = effect.holder.request;
    },
    onBroken: (invariant) => broken.push(invariant),
  });
  const prefix = names('system-prompt-', 177);
  actor.execute({ type: 'grant', grant: 'grant-e1', epoch: 'e1' });
  actor.execute(allocate('writer', prefix));
  for (const joiner of names('joiner-', 1000)) actor.execute(allocate(joiner, prefix));

  const writers = new Set<string>();
  for (let round = 0; round < 1001; round += 1) {
    const leaving = holderOf(writer);
    writers.add(writer);
    actor.execute({ type: 'end', holder: leaving, end: 'failed', reason: undefined });
    actor.execute({ type: 'drained', holder: leaving });
  }

  expect(writers.size).toBe(1001);
  expect(broken).toEqual([]);
  expect(store.brokenInvariant()).toBeUndefined();
  expect(store.pageCounts()).toMatchObject({ free: 400, writing: 0, quarantined: 0 });
});

test('P7, T7: a batch of an admitted request looks up no key that others wait for', () => {
  const store = new Store({ ...defaults, pages: 400, holdersMax: 1000 });
  store.execute({ type: 'grant', grant: 'grant-e1', epoch: 'e1' }, 0);
  store.execute(allocate('running', names('first-', 200), { last: false, totalChunks: 202 }), 0);
  for (const waiting of names('waiting-', 300)) {
    const { effects } = store.execute(allocate(waiting, names(`${waiting}-`, 200)), 0);
    expect(effects).toEqual([queued(waiting, 200)]);
  }

  const lookUp = vi.spyOn(Map.prototype, 'has');
  store.execute(allocate('running', ['next'], { batch: 1, last: false, totalChunks: 202 }), 0);
  const lookUps = lookUp.mock.calls.length;
  lookUp.mockRestore();

  expect(lookUps).toBeLessThan(1000);
  expect(store.brokenInvariant()).toBeUndefined();
  expect(store.waiting).toBe(300);
});

/** How often maps are asked while each of `requests` waiting requests of one sender ends. */
function lookUpsOfEnds(requests: number): number {
  const store = new Store({ ...defaults, pages: 1, holdersMax: requests + 1, tombstonesMax: requests });
  for (const epoch of ['e1', 'e2']) store.execute({ type: 'grant', grant: `grant-${epoch}`, epoch }, 0);
  store.execute(allocate('e2/writes', ['page']), 0);
  const waiting = names('waiting-', requests);
  for (const request of waiting) store.execute(allocate(request, [`${request}-key`]), 0);
  const spies = (['get', 'has', 'delete'] as const).map((name) => vi.spyOn(Map.prototype, name));
  for (const request of waiting) {
    store.execute({ type: 'end', holder: holderOf(request), end: 'failed', reason: undefined }, 0);
  }
  const lookUps = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  for (const spy of spies) spy.mockRestore();
  expect(store.waiting).toBe(0);
  return lookUps / requests;
}

test('P30, T25: a sender with many waiting requests is lost → an end costs the same', () => {
  expect(lookUpsOfEnds(2000)).toBeLessThan(1.1 * lookUpsOfEnds(200));
});

test('P30, T25: many requests fail together → drained looks at its own pages only', () => {
  const store = new Store({ ...defaults, pages: 50_000, holdersMax: 1000 });
  store.execute({ type: 'grant', grant: 'grant-e1', epoch: 'e1' }, 0);
  const requests = names('r', 1000);
  for (const request of requests) store.execute(allocate(request, names(`${request}-`, 50)), 0);
  for (const request of requests) {
    store.execute({ type: 'end', holder: holderOf(request), end: 'failed', reason: undefined }, 0);
  }
  expect(store.pageCounts()).toMatchObject({ quarantined: 50_000 });

  const lookUp = vi.spyOn(Map.prototype, 'get');
  store.execute({ type: 'drained', holder: holderOf('r500') }, 0);
  const lookUps = lookUp.mock.calls.length;
  lookUp.mockRestore();

  expect(lookUps).toBeLessThan(500);
  expect(store.pageCounts()).toMatchObject({ free: 50, quarantined: 49_950 });
});
