import { describe, expect, test } from 'vitest';
import { allocated, leasesEnded, pagesFreed, queued, TestStore } from './support.js';

/** The request's chunks have arrived and were read. Its leases are released. */
function leave(store: TestStore, holder: string, keys: readonly string[]): void {
  store.makeReady(holder, keys);
  store.release(holder);
}

describe('retained pages', () => {
  test('a page without a lease stays, and serves a later request as ready', () => {
    const store = new TestStore({ retainedMax: 2 });
    store.makeReady('a', ['k0']);
    expect(store.release('a')).toEqual({
      reply: { existed: 1, freedPages: 1 },
      effects: [leasesEnded('a', 'released')],
    });
    expect(store.state()).toEqual({ free: 3, ready: 1, retained: 1 });

    expect(store.allocate('b', ['k0'])).toEqual([allocated('b', { alreadySent: [0] })]);
    expect(store.state()).toEqual({ free: 3, ready: 1 });
    store.end('b', 'ready');
    expect(store.acquire('b').reply.found).toMatchObject([{ key: 'k0', page: 0 }]);
  });

  test('off: the page is free at once', () => {
    const store = new TestStore({ retainedMax: 0 });
    leave(store, 'a', ['k0']);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('more than may stay: the one that was used longest ago goes', () => {
    const store = new TestStore({ retainedMax: 2 });
    leave(store, 'a', ['k0']);
    leave(store, 'b', ['k1']);
    leave(store, 'c', ['k0']);
    expect(store.release('a', []).effects).toEqual([]);
    leave(store, 'd', ['k2']);

    expect(store.state()).toEqual({ free: 2, ready: 2, retained: 2 });
    expect(store.acquire('reader', ['k0', 'k1', 'k2']).reply.missing).toEqual(['k1']);
  });

  test('retained pages give way to new chunks, least recently used first', () => {
    const store = new TestStore({ pages: 3, retainedMax: 3 });
    leave(store, 'a', ['k0', 'k1', 'k2']);

    expect(store.allocate('b', ['k0', 'k9'])).toEqual([
      allocated('b', { pages: [1], generations: [2], alreadySent: [0] }),
    ]);
    expect(store.state()).toEqual({ writing: 1, ready: 2, retained: 1 });
    expect(store.acquire('reader', ['k0', 'k1', 'k2']).reply.missing).toEqual(['k1']);
  });

  test('P8: what is promised to an admitted request is not promised to a reader', () => {
    const store = new TestStore({ pages: 2, retainedMax: 2 });
    leave(store, 'a', ['k0', 'k1']);
    store.allocate('b', ['x'], { last: false, totalChunks: 2 });

    expect(store.state()).toEqual({ writing: 1, ready: 1, retained: 1, reserved: 1 });
    expect(store.acquire('reader', ['k1']).reply).toEqual({ found: [], missing: ['k1'] });
    expect(store.allocate('b', ['k1'], { batch: 1, totalChunks: 2 })).toEqual([
      allocated('b', { alreadySent: [0] }, { batch: 1 }),
    ]);
  });

  test('P8: a retained page is charged to who uses it', () => {
    const store = new TestStore({ pages: 2, retainedMax: 2 });
    leave(store, 'a', ['k0']);
    store.allocate('b', ['x', 'y']);
    expect(store.allocate('c', ['k0'])).toEqual([queued('c', 1)]);
    expect(store.end('b', 'failed')).toEqual([]);
    expect(store.drained('b')).toMatchObject([pagesFreed(2), { type: 'allocated', allocation: { alreadySent: [] } }]);
  });

  test('P8: a reader leases a retained page → requests that need only that page pass', () => {
    const store = new TestStore({ pages: 2, retainedMax: 2 });
    leave(store, 'a', ['k0']);
    store.allocate('b', ['x']);
    expect(store.allocate('c', ['y', 'z'])).toEqual([queued('c', 2)]);
    expect(store.allocate('d', ['k0'])).toEqual([queued('d', 1)]);
    expect(store.acquire('reader', ['k0']).effects).toEqual([allocated('d', { alreadySent: [0] })]);
    expect(store.state()).toEqual({ writing: 1, ready: 1, waiting: 1 });
  });
});
