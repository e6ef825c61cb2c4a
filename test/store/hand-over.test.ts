import { describe, expect, test } from 'vitest';
import { allocate, allocated, chunksReady, handedOver, holderOf, pagesFreed, TestStore } from './support.js';

describe('hand-over (P2)', () => {
  test('P2: a writer leaves → the first joined request writes in its page, others wait', () => {
    const store = new TestStore({ pages: 8 });
    store.allocate('a', ['k0', 'k1']);
    store.allocate('b', ['k0', 'k1']);
    store.allocate('c', ['k1']);

    expect(store.end('a', 'failed')).toEqual([
      handedOver('b', 'a', { positions: [0, 1], pages: [2, 3], generations: [1, 1] }),
    ]);
    expect(store.state()).toEqual({ free: 4, writing: 2, quarantined: 2 });
    expect(store.allocate('d', ['k1'])).toEqual([allocated('d', { alreadySent: [0], joined: [0] })]);

    expect(store.commitPart('b', { part: 1, pages: [2, 3], generations: [1, 1] })).toEqual([
      chunksReady('b', 0, 2),
      chunksReady('c', 0, 1),
      chunksReady('d', 0, 1),
    ]);
    expect(store.drained('a')).toEqual([pagesFreed(2)]);
    expect(store.state()).toEqual({ free: 6, ready: 2 });
  });

  test('P2: with the remote key of its own sender, the youngest there is', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.grant('younger', 'e2');

    expect(store.end('e1/a', 'failed')).toEqual([
      handedOver('e2/b', 'e1/a', { positions: [0], pages: [1], generations: [1] }, { grant: 'younger' }),
    ]);
  });

  test('P2: who cannot write is passed over, and asked when it can', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.allocate('e3/c', ['k0']);
    store.fence('grant-e2');

    expect(store.end('e1/a', 'failed')).toEqual([
      handedOver('e3/c', 'e1/a', { positions: [0], pages: [1], generations: [1] }),
    ]);
    store.drained('e3/c');
    expect(store.end('e3/c', 'failed')).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 3, quarantined: 1 });
    expect(store.grant('again', 'e2')).toMatchObject([
      { type: 'handed.over', holder: holderOf('e2/b'), grant: 'again', part: 1 },
    ]);
  });

  test('P2: without a free page it waits, before any new request is admitted', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('a', ['k0']);
    store.allocate('b', ['k0']);
    store.allocate('new', ['k1']);

    expect(store.end('a', 'failed')).toEqual([]);
    expect(store.state()).toEqual({ quarantined: 1, waiting: 1 });
    expect(store.drained('a')).toEqual([
      pagesFreed(1),
      handedOver('b', 'a', { positions: [0], pages: [0], generations: [2] }),
    ]);
  });

  test('P8: the only free pages are promised to a request → the hand-over waits', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('a', ['k0']);
    store.allocate('b', ['k0']);
    store.allocate('admitted', ['k1'], { last: false, totalChunks: 3 });

    expect(store.end('a', 'failed')).toEqual([]);
    expect(store.state()).toEqual({ free: 2, reserved: 2, writing: 1, quarantined: 1 });
    expect(store.drained('a')).toEqual([
      pagesFreed(1),
      handedOver('b', 'a', { positions: [0], pages: [0], generations: [2] }),
    ]);
  });

  test('P2: everybody who had joined is gone before a page is free: the key is gone too', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('a', ['k0']);
    store.allocate('b', ['k0']);
    store.end('a', 'failed');
    expect(store.end('b', 'failed')).toEqual([]);
    store.drained('a');

    expect(store.allocate('c', ['k0'])).toEqual([allocated('c', { pages: [0], generations: [2] })]);
  });

  test('P2: a hand-over is declined → the page is free, the next request is asked', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.end('e1/a', 'failed');
    const decline = { type: 'decline', holder: holderOf('e2/b'), batch: 0, part: 1, taken: 'never' } as const;

    expect(store.run(decline).effects).toEqual([pagesFreed(1)]);
    expect(store.run(decline).effects).toEqual([]);
    expect(store.state()).toEqual({ free: 3, quarantined: 1 });
    expect(store.allocate('e3/c', ['k0'])).toEqual([
      allocated('e3/c', { alreadySent: [0], joined: [0] }),
      handedOver('e3/c', 'e1/a', { positions: [0], pages: [1], generations: [2] }),
    ]);
    store.end('e3/c', 'failed');
    expect(store.grant('again', 'e2')).toMatchObject([{ type: 'handed.over', holder: holderOf('e2/b'), part: 2 }]);
  });

  test('P2: declined under a remote key that is revoked → handed over under an older one', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.grant('younger', 'e2');
    store.end('e1/a', 'failed');
    const decline = { type: 'decline', holder: holderOf('e2/b'), batch: 0, part: 1, taken: 'never' } as const;
    expect(store.run(decline).effects).toEqual([pagesFreed(1)]);

    expect(store.fence('younger')).toEqual([
      handedOver('e2/b', 'e1/a', { positions: [0], pages: [1], generations: [2] }, { part: 2 }),
    ]);
  });

  test('P29, T19: a refusal proves nothing → the page stays quarantined until it drains', () => {
    const store = new TestStore({ pages: 2 });
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.end('e1/a', 'failed');
    store.drained('e1/a');
    const decline = { type: 'decline', holder: holderOf('e2/b'), batch: 0, part: 1, taken: 'unknown' } as const;

    expect(store.run(decline).effects).toEqual([]);
    expect(store.run(decline).effects).toEqual([]);
    expect(store.state()).toEqual({ free: 1, quarantined: 1 });
    expect(store.allocate('e3/c', ['k1'])).toEqual([allocated('e3/c', { pages: [0], generations: [2] })]);
    store.end('e2/b', 'failed');
    expect(store.state()).toEqual({ quarantined: 1, writing: 1 });
    expect(store.drained('e2/b')).toEqual([pagesFreed(1)]);
  });

  test('P29: a refusal proves nothing, the remote key is revoked → the page is free', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.end('e1/a', 'failed');
    store.fence('grant-e2');
    const decline = { type: 'decline', holder: holderOf('e2/b'), batch: 0, part: 1, taken: 'unknown' } as const;

    expect(store.run(decline).effects).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 3, quarantined: 1 });
  });

  test('P13: a part that was declined, or never handed over, cannot be committed', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/b', ['k0']);
    store.end('e1/a', 'failed');
    store.run({ type: 'decline', holder: holderOf('e2/b'), batch: 0, part: 1, taken: 'never' });

    const commit = { type: 'commit', holder: holderOf('e2/b'), batch: 0, pages: [1], generations: [1], lengths: [10] };
    expect(store.refusal({ ...commit, type: 'commit', part: 1 })).toMatchObject({ code: 'stale_handle' });
    expect(store.refusal({ ...commit, type: 'commit', part: 2 })).toEqual({ code: 'stale_handle', field: 'part' });
  });

  test('P5: the remote key of another sender is none', () => {
    const store = new TestStore();
    expect(store.refusal(allocate('e1/a', ['k0'], { grant: 'grant-e2' }))).toEqual({
      code: 'stale_grant',
      field: 'grant',
    });
  });
});
