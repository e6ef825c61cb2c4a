/** Admission: first come, first served; shared chunks are charged once; no request starves; other work goes on. */
import { describe, expect, test } from 'vitest';
import { allocate, allocated, chunksReady, leasesEnded, pagesFreed, queued, TestStore } from './support.js';

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('waking those who wait', () => {
  test('S9: waiting requests are not checked when no memory was freed', () => {
    const store = new TestStore({ pages: 2 });
    store.makeReady('a', ['k0', 'k1']);
    store.makeReady('b', ['k0', 'k1']);
    expect(store.allocate('c', ['k2'])).toEqual([queued('c', 1)]);

    expect(store.release('a').effects).toEqual([leasesEnded('a', 'released')]);
    expect(store.release('b', ['k0']).effects).toEqual([
      pagesFreed(1),
      allocated('c', { pages: [0], generations: [2] }),
    ]);
    expect(store.state()).toEqual({ ready: 1, writing: 1 });
  });

  test('S9: pages in quarantine are not free memory', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('a', ['k0']);
    expect(store.allocate('b', ['k1'])).toEqual([queued('b', 1)]);

    expect(store.end('a', 'failed')).toEqual([]);
    expect(store.state()).toEqual({ quarantined: 1, waiting: 1 });
    expect(store.drained('a')).toEqual([pagesFreed(1), allocated('b', { pages: [0], generations: [2] })]);
    expect(store.state()).toEqual({ writing: 1 });
  });

  test('P8: reservations that were not needed are given to those who wait', () => {
    const store = new TestStore({ pages: 4 });
    store.makeReady('a', ['k0', 'k1']);
    store.allocate('b', ['k2'], { last: false, totalChunks: 2 });
    expect(store.state()).toEqual({ free: 1, ready: 2, writing: 1, reserved: 1 });
    expect(store.allocate('c', ['k3'])).toEqual([queued('c', 1)]);

    expect(store.allocate('b', ['k0'], { batch: 1, totalChunks: 2 })).toEqual([
      allocated('b', { alreadySent: [0] }, { batch: 1 }),
      allocated('c', { pages: [3], generations: [1] }),
    ]);
    expect(store.state()).toEqual({ ready: 2, writing: 2 });
  });

  test('P8: the reservations of a request that ends are given to those who wait', () => {
    const store = new TestStore({ pages: 2 });
    store.allocate('a', ['k0'], { last: false, totalChunks: 2 });
    expect(store.allocate('b', ['k1'])).toEqual([queued('b', 1)]);

    expect(store.end('a', 'cancelled')).toEqual([allocated('b', { pages: [1], generations: [1] })]);
    expect(store.state()).toEqual({ quarantined: 1, writing: 1 });
  });

  test('P8: the first in the queue gives up → the next one does not wait for its pages', () => {
    const store = new TestStore({ pages: 4 });
    store.makeReady('a', ['k0', 'k1']);
    expect(store.allocate('large', names('l', 4))).toEqual([queued('large', 4)]);
    expect(store.allocate('small', ['s0'])).toEqual([queued('small', 1)]);

    expect(store.end('large', 'cancelled')).toEqual([allocated('small', { pages: [2], generations: [1] })]);
    expect(store.state()).toEqual({ free: 1, ready: 2, writing: 1 });
  });
});

describe('order and charge', () => {
  test('P8: first come, first served: no small request passes a large one that waits', () => {
    const store = new TestStore({ pages: 4 });
    store.makeReady('a', ['k0', 'k1']);
    store.makeReady('b', ['k2']);
    expect(store.allocate('large', names('l', 3))).toEqual([queued('large', 3)]);
    expect(store.allocate('small', ['s0'])).toEqual([queued('small', 1)]);

    expect(store.release('b').effects).toEqual([leasesEnded('b', 'released'), pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 2, ready: 2, waiting: 2 });
    expect(store.release('a').effects).toEqual([
      leasesEnded('a', 'released'),
      pagesFreed(2),
      allocated('large', { pages: [1, 0, 2], generations: [2, 2, 2] }),
      allocated('small', { pages: [3], generations: [1] }),
    ]);
    expect(store.state()).toEqual({ writing: 4 });
  });

  test('P8: a request that needs no new page passes those who wait for some', () => {
    const store = new TestStore({ pages: 2 });
    store.makeReady('a', ['k0', 'k1']);
    expect(store.allocate('b', ['k2'])).toEqual([queued('b', 1)]);

    expect(store.allocate('c', ['k1', 'k0'])).toEqual([allocated('c', { alreadySent: [0, 1] })]);
    expect(store.state()).toEqual({ ready: 2, waiting: 1 });
  });

  test('P8, T8: eight requests share 24 chunks → they fit 32 pages: a prefix counts once', () => {
    const store = new TestStore({ pages: 32 });
    const prefix = names('p', 24);
    const first = store.allocate('r0', prefix, { last: false, totalChunks: 25 });
    expect(first).toEqual([allocated('r0', { pages: upTo(24), generations: prefix.map(() => 1) }, { last: false })]);
    for (let index = 1; index < 8; index += 1) {
      expect(store.allocate(`r${index}`, prefix, { last: false, totalChunks: 25 })).toEqual([
        allocated(`r${index}`, { alreadySent: upTo(24), joined: upTo(24) }, { last: false }),
      ]);
    }
    expect(store.state()).toEqual({ free: 8, writing: 24, reserved: 8 });

    for (let index = 0; index < 8; index += 1) {
      expect(store.allocate(`r${index}`, [`own-${index}`], { batch: 1, totalChunks: 25 })).toEqual([
        allocated(`r${index}`, { pages: [24 + index], generations: [1] }, { batch: 1 }),
      ]);
    }

    expect(store.state()).toEqual({ writing: 32 });
    expect(store.commit('r0')).toEqual([
      chunksReady('r0', 24, 0),
      ...upTo(7).map((index) => chunksReady(`r${index + 1}`, 0, 24)),
    ]);
  });

  test('P8: T8: a large request is not starved by small ones that keep coming', () => {
    const store = new TestStore({ pages: 4 });
    store.makeReady('s0', ['s0']);
    expect(store.allocate('large', names('l', 4))).toEqual([queued('large', 4)]);

    for (let index = 1; index <= 20; index += 1) {
      expect(store.allocate(`s${index}`, [`s${index}`])).toEqual([queued(`s${index}`, 1)]);
    }
    expect(store.release('s0').effects).toEqual([
      leasesEnded('s0', 'released'),
      pagesFreed(1),
      allocated('large', { pages: [0, 1, 2, 3], generations: [2, 1, 1, 1] }),
    ]);
    expect(store.state()).toEqual({ writing: 4, waiting: 20 });
  });

  test('P8: T8: a repeated first batch is idempotent', () => {
    const store = new TestStore();
    const parts = { last: false, totalChunks: 3 };
    store.allocate('a', ['k0', 'k1'], parts);
    const before = store.state();

    expect(store.allocate('a', ['k0', 'k1'], parts)).toEqual([
      allocated('a', { pages: [0, 1], generations: [1, 1] }, { last: false, first: false }),
    ]);

    expect(store.state()).toEqual(before);
    expect(before).toEqual({ free: 2, writing: 2, reserved: 1 });
  });

  test('P8: T8: repeating a batch that waits does not admit it twice', () => {
    const store = new TestStore({ pages: 2 });
    store.makeReady('a', ['k0']);
    expect(store.allocate('b', ['k1', 'k2'])).toEqual([queued('b', 2)]);

    expect(store.allocate('b', ['k1', 'k2'])).toEqual([queued('b', 2)]);
    expect(store.state()).toEqual({ free: 1, ready: 1, waiting: 1 });
    expect(store.release('a').effects).toEqual([
      leasesEnded('a', 'released'),
      pagesFreed(1),
      allocated('b', { pages: [0, 1], generations: [2, 1] }),
    ]);
    expect(store.state()).toEqual({ writing: 2 });
  });

  test('P8: the charge is held until the pages are free again', () => {
    const store = new TestStore({ pages: 2 });
    store.allocate('a', ['k0'], { last: false, totalChunks: 2 });

    expect(store.state()).toEqual({ free: 1, writing: 1, reserved: 1 });
    expect(store.allocate('b', ['k1'])).toEqual([queued('b', 1)]);
    expect(store.allocate('a', ['k2'], { batch: 1, totalChunks: 2 })).toEqual([
      allocated('a', { pages: [1], generations: [1] }, { batch: 1 }),
    ]);
    store.commit('a', 0);
    store.commit('a', 1);
    expect(store.end('a', 'ready')).toEqual([]);
    expect(store.state()).toEqual({ ready: 2, waiting: 1 });
  });

  test('P8: batches of one request that came while it waited are answered together', () => {
    const store = new TestStore({ pages: 3 });
    store.makeReady('a', ['k0']);
    expect(store.allocate('b', ['k1'], { last: false, totalChunks: 3 })).toEqual([queued('b', 3)]);
    expect(store.allocate('b', ['k0', 'k2'], { batch: 1, totalChunks: 3 })).toEqual([
      allocated('b', { pages: [1], generations: [1] }, { last: false }),
      allocated('b', { pages: [2], generations: [1], alreadySent: [0] }, { batch: 1 }),
    ]);
    expect(store.state()).toEqual({ ready: 1, writing: 2 });
  });

  test('P8: a request that can never fit fails at once and says so', () => {
    const store = new TestStore({ pages: 4 });

    expect(store.refusal(allocate('a', ['k0'], { last: false, totalChunks: 5 }))).toEqual({
      code: 'request_too_large',
      field: 'totalChunks',
    });
    expect(store.allocate('b', names('k', 4))).toEqual([
      allocated('b', { pages: [0, 1, 2, 3], generations: [1, 1, 1, 1] }),
    ]);
  });

  test('P8: requests that hold or wait are bounded', () => {
    const store = new TestStore({ pages: 1, holdersMax: 3 });
    store.makeReady('a', ['k0']);
    store.acquire('e9/reader', ['k0']);
    store.allocate('b', ['k1']);

    expect(store.refusal(allocate('c', ['k0']))).toEqual({ code: 'too_many_requests', field: 'request' });
    expect(store.refusal({ type: 'acquire', holder: { request: 'x', epoch: 'e8' }, keys: ['k0'] })).toEqual({
      code: 'too_many_requests',
      field: 'request',
    });
    store.end('b', 'cancelled');
    expect(store.allocate('c', ['k0'])).toEqual([allocated('c', { alreadySent: [0] })]);
    expect(store.state()).toEqual({ ready: 1 });
  });
});

describe('what goes on while a request waits', () => {
  /** Request `x` waits for pages, `a` is being written, `b` has reserved pages, `c` is ready. */
  function blocked(): TestStore {
    const store = new TestStore({ pages: 4 });
    store.allocate('a', ['k0']);
    store.allocate('b', ['k1'], { last: false, totalChunks: 2 });
    store.makeReady('c', ['k2']);
    expect(store.allocate('x', ['x0', 'x1'])).toEqual([queued('x', 2)]);
    expect(store.state()).toEqual({ free: 1, writing: 2, ready: 1, reserved: 1, waiting: 1 });
    return store;
  }

  test('P7, T7: a request waits → further batches of an admitted one are answered', () => {
    const store = blocked();
    expect(store.allocate('b', ['k3'], { batch: 1, totalChunks: 2 })).toEqual([
      allocated('b', { pages: [3], generations: [1] }, { batch: 1 }),
    ]);
    expect(store.state()).toEqual({ writing: 3, ready: 1, waiting: 1 });
  });

  test('P7: T7: commits are served while another request waits', () => {
    const store = blocked();
    expect(store.commit('a')).toEqual([chunksReady('a', 1, 0)]);
    expect(store.end('a', 'ready')).toEqual([]);
    expect(store.state()).toEqual({ free: 1, writing: 1, ready: 2, reserved: 1, waiting: 1 });
  });

  test('P7, T7: a request waits → acquire and release are served, and let it in', () => {
    const store = blocked();
    store.end('b', 'cancelled');
    expect(store.acquire('c').reply.found).toEqual([{ key: 'k2', page: 2, generation: 1, length: 10 }]);
    expect(store.release('c').effects).toEqual([
      leasesEnded('c', 'released'),
      pagesFreed(1),
      allocated('x', { pages: [2, 3], generations: [2, 1] }),
    ]);
    expect(store.state()).toEqual({ writing: 3, quarantined: 1 });
  });

  test('P7, T7: an allocation is queued → a cancel that frees its memory is served', () => {
    const store = blocked();
    expect(store.end('a', 'cancelled')).toEqual([]);
    expect(store.drained('a')).toEqual([pagesFreed(1)]);
    expect(store.end('b', 'cancelled')).toEqual([allocated('x', { pages: [0, 3], generations: [2, 1] })]);
    expect(store.state()).toEqual({ writing: 2, ready: 1, quarantined: 1 });
  });

  test('P7: T7: a request that waits can be given up, and leaves nothing behind', () => {
    const store = blocked();
    expect(store.end('x', 'expired')).toEqual([]);
    expect(store.state()).toEqual({ free: 1, writing: 2, ready: 1, reserved: 1 });
    expect(store.release('c').effects).toEqual([leasesEnded('c', 'released'), pagesFreed(1)]);
  });
});
