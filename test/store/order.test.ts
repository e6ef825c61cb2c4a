/** `acquire` without keys lists the chunks in the order of the put. */
import { expect, test } from 'vitest';
import { holderOf, TestStore } from './support.js';

/** Request `a` with three batches of two keys, which arrive in another order. The chunks of `shared` are ready before. */
function arrived(order: readonly number[], shared: readonly string[] = []): TestStore {
  const store = new TestStore({ pages: 8 });
  store.makeReady('e2/before', shared);
  for (const batch of order) {
    const keys = [`k${2 * batch}`, `k${2 * batch + 1}`];
    store.allocate('a', keys, { batch, last: batch === 2, totalChunks: 6 });
  }
  for (const batch of order) store.commit('a', batch);
  store.end('a', 'ready');
  return store;
}

const keysOf = (store: TestStore, from?: number, limit?: number) => {
  const { reply } = store.run({
    type: 'acquire',
    holder: holderOf('a'),
    keys: undefined,
    ...(from === undefined ? {} : { from }),
    ...(limit === undefined ? {} : { limit }),
  });
  return { keys: reply.found.map(({ key }) => key), next: reply.next };
};

for (const order of [
  [0, 1, 2],
  [1, 2, 0],
  [2, 1, 0],
]) {
  test(`P11: batches arrive in the order ${order.join(', ')} → acquire lists them as put`, () => {
    expect(keysOf(arrived(order))).toEqual({ keys: ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'], next: undefined });
    expect(keysOf(arrived(order, ['k3', 'k0'])).keys).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5']);
  });
}

test('P11: twelve batches arrive backwards → acquire lists them by their numbers', () => {
  const store = new TestStore({ pages: 12 });
  const batches = Array.from({ length: 12 }, (_, batch) => batch);
  for (const batch of batches.toReversed()) {
    store.allocate('a', [`k${batch}`], { batch, last: batch === 11, totalChunks: 12 });
    store.commit('a', batch);
  }
  store.end('a', 'ready');
  expect(keysOf(store).keys).toEqual(batches.map((batch) => `k${batch}`));
});

test('P11: acquire in parts → the parts together are in the order of the put', () => {
  const store = arrived([2, 0, 1]);
  expect(keysOf(store, 0, 4)).toEqual({ keys: ['k0', 'k1', 'k2', 'k3'], next: 4 });
  expect(keysOf(store, 4, 4)).toEqual({ keys: ['k4', 'k5'], next: undefined });
});

test('P11: an empty batch before the last one → the others are listed', () => {
  const store = new TestStore({ pages: 4 });
  store.allocate('a', [], { batch: 0, last: false, totalChunks: 2 });
  store.allocate('a', ['k1', 'k2'], { batch: 1, last: true, totalChunks: 2 });
  store.commit('a', 1);
  store.end('a', 'ready');
  expect(keysOf(store).keys).toEqual(['k1', 'k2']);
});

test('P2, P11: a chunk was handed over → it has its place in the order of the put', () => {
  const store = new TestStore({ pages: 8 });
  store.allocate('e2/w', ['k1']);
  store.allocate('a', ['k0', 'k1', 'k2']);
  store.end('e2/w', 'failed');
  store.commit('a');
  store.commitPart('a', { part: 1, pages: [3], generations: [1] });
  store.end('a', 'ready');

  expect(keysOf(store).keys).toEqual(['k0', 'k1', 'k2']);
});
