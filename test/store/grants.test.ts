/** A remote key binds pages when they are given. What waits for pages is bound to nothing. */
import { describe, expect, test } from 'vitest';
import { allocate, allocated, chunksReady, holderOf, pagesFreed, queued, TestStore } from './support.js';

describe('a remote key is revoked while requests wait', () => {
  test('P26: the key is revoked during the wait → the pages are bound to the next one', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('e1/w', ['k0']);
    expect(store.allocate('e1/q', ['k1'])).toEqual([queued('e1/q', 1)]);
    store.end('e1/w', 'failed');

    store.grant('newer');
    expect(store.fence('grant-e1')).toEqual([
      pagesFreed(1),
      allocated('e1/q', { pages: [0], generations: [2] }, { grant: 'newer' }),
    ]);
    expect(store.allocate('e1/q', ['k1'], { grant: 'newer' })).toEqual([
      allocated('e1/q', { pages: [0], generations: [2] }, { grant: 'newer', first: false }),
    ]);
  });

  test('P26: a sender cannot write → its requests keep their turns, others do not wait', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('e3/w', ['k0']);
    expect(store.allocate('e1/first', ['k1'])).toEqual([queued('e1/first', 1)]);
    expect(store.allocate('e2/second', ['k2'])).toEqual([queued('e2/second', 1)]);
    expect(store.allocate('e2/third', ['k3'])).toEqual([queued('e2/third', 1)]);
    store.fence('grant-e1');

    store.end('e3/w', 'failed');
    expect(store.drained('e3/w')).toEqual([pagesFreed(1), allocated('e2/second', { pages: [0], generations: [2] })]);
    expect(store.grant('again')).toEqual([]);
    store.end('e2/second', 'failed');
    expect(store.drained('e2/second')).toEqual([
      pagesFreed(1),
      allocated('e1/first', { pages: [0], generations: [3] }, { grant: 'again' }),
    ]);
    expect(store.state()).toEqual({ writing: 1, waiting: 1 });
  });

  test('P26: a new batch without a valid key → refused, and accepted with the next key', () => {
    const store = new TestStore();
    store.allocate('a', ['k0'], { last: false, totalChunks: 3 });
    store.commit('a');
    store.fence('grant-e1');

    const next = allocate('a', ['k1', 'k2'], { batch: 1, totalChunks: 3 });
    expect(store.refusal(next)).toEqual({ code: 'stale_grant', field: 'grant' });
    store.grant('again');
    expect(store.run({ ...next, grant: 'again' }).effects).toEqual([
      allocated('a', { pages: [1, 2], generations: [1, 1] }, { batch: 1, grant: 'again' }),
    ]);
  });

  test('P26: a waiting batch is repeated under another key → it still waits', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('w', ['k0']);
    store.allocate('q', ['k1']);
    store.fence('grant-e1');
    store.grant('newer');

    expect(store.allocate('q', ['k1'], { grant: 'newer' })).toEqual([queued('q', 1)]);
    expect(store.allocate('q', ['k1'], { grant: 'grant-e1' })).toEqual([queued('q', 1)]);
    expect(store.refusal(allocate('q', ['k2']))).toEqual({ code: 'duplicate_batch', field: 'batch' });
  });

  test('P26: the key of pages is revoked → a repeated batch gets them under the next one', () => {
    const store = new TestStore();
    store.allocate('a', ['k0', 'k1']);
    store.fence('grant-e1');
    store.grant('newer');

    const again = allocated('a', { pages: [0, 1], generations: [1, 1] }, { grant: 'newer', first: false });
    expect(store.allocate('a', ['k0', 'k1'], { grant: 'newer' })).toEqual([again]);
    // A late copy of the first message.
    expect(store.allocate('a', ['k0', 'k1'], { grant: 'grant-e1' })).toEqual([again]);
    expect(store.commit('a')).toEqual([chunksReady('a', 2, 0)]);
    expect(store.state()).toEqual({ free: 2, ready: 2 });
  });

  test('P5: a late copy of a batch under a revoked key → its pages are not bound again', () => {
    const store = new TestStore();
    store.allocate('a', ['k0']);
    store.fence('grant-e1');
    store.grant('newer');

    expect(store.refusal(allocate('a', ['k0']))).toEqual({ code: 'stale_grant', field: 'grant' });
    expect(store.refusal(allocate('a', ['k0'], { grant: 'grant-e2' }))).toEqual({
      code: 'stale_grant',
      field: 'grant',
    });
    expect(store.end('a', 'failed')).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P5: pages under the next key, the request is given up → that key can reach them', () => {
    const store = new TestStore();
    store.allocate('a', ['k0', 'k1']);
    store.fence('grant-e1');
    store.grant('newer');
    store.allocate('a', ['k0', 'k1'], { grant: 'newer' });

    expect(store.end('a', 'failed')).toEqual([]);
    expect(store.state()).toEqual({ free: 2, quarantined: 2 });
    expect(store.fence('newer')).toEqual([pagesFreed(2)]);
  });

  test('P26: the key of committed pages is revoked → a repeated batch gets its answer', () => {
    const store = new TestStore();
    store.allocate('a', ['k0'], { last: false, totalChunks: 2 });
    store.commit('a');
    store.fence('grant-e1');

    expect(store.allocate('a', ['k0'], { last: false, totalChunks: 2 })).toEqual([
      allocated('a', { pages: [0], generations: [1] }, { last: false, first: false }),
    ]);
  });

  test('P26: only joined chunks, the key is revoked → a repeated batch gets its answer', () => {
    const store = new TestStore();
    store.allocate('e2/w', ['k0']);
    store.allocate('e1/j', ['k0']);
    store.fence('grant-e1');

    expect(store.allocate('e1/j', ['k0'])).toEqual([
      allocated('e1/j', { alreadySent: [0], joined: [0] }, { first: false }),
    ]);
    expect(store.end('e2/w', 'failed')).toEqual([]);
    expect(store.grant('again')).toMatchObject([{ type: 'handed.over', holder: holderOf('e1/j'), grant: 'again' }]);
  });
});
