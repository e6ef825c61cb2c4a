/** One step decides which chunks get a page, which are joined and which are ready. No chunk is ready without its bytes. */
import { describe, expect, test } from 'vitest';
import { allocate, allocated, chunksReady, holderOf, leasesEnded, pagesFreed, queued, TestStore } from './support.js';

const endReady = (holder: string) =>
  ({ type: 'end', holder: holderOf(holder), end: 'ready', reason: undefined }) as const;

describe('write, join or ready', () => {
  test('S1: a key that is in the arena gets no page, its position goes to alreadySent', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);

    expect(store.allocate('b', ['k0', 'k2', 'k1'])).toEqual([
      allocated('b', { pages: [2], generations: [1], alreadySent: [0, 2] }),
    ]);
    expect(store.state()).toEqual({ free: 1, writing: 1, ready: 2 });
  });

  test('S2: new pages come in request order; with alreadySent they add up to the keys', () => {
    const store = new TestStore({ pages: 6 });
    store.makeReady('a', ['k3', 'k1']);

    const effects = store.allocate('b', ['k0', 'k1', 'k2', 'k3', 'k4']);

    expect(effects).toEqual([allocated('b', { pages: [2, 3, 4], generations: [1, 1, 1], alreadySent: [1, 3] })]);
    store.commit('b');
    store.end('b', 'ready');
    expect(store.acquire('b').reply).toEqual({
      found: [
        { key: 'k0', page: 2, generation: 1, length: 10 },
        { key: 'k1', page: 1, generation: 1, length: 10 },
        { key: 'k2', page: 3, generation: 1, length: 10 },
        { key: 'k3', page: 0, generation: 1, length: 10 },
        { key: 'k4', page: 4, generation: 1, length: 10 },
      ],
      missing: [],
    });
  });

  test('S3: lookup and lease are one step: no found chunk can be taken away afterwards', () => {
    const store = new TestStore();
    store.makeReady('a', ['k']);

    expect(store.allocate('b', ['k'])).toEqual([allocated('b', { alreadySent: [0] })]);
    expect(store.release('a')).toEqual({
      reply: { existed: 1, freedPages: 0 },
      effects: [leasesEnded('a', 'released')],
    });

    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });

  test('S3: a dedup hit is exactly one lease, however often the message comes', () => {
    const store = new TestStore();
    store.makeReady('a', ['k']);
    store.allocate('b', ['k']);
    store.allocate('b', ['k']);
    store.end('b', 'ready');
    store.acquire('b');
    store.release('a');

    expect(store.release('b')).toEqual({
      reply: { existed: 1, freedPages: 1 },
      effects: [leasesEnded('b', 'released'), pagesFreed(1)],
    });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('S7: a key has a writer → the newcomer gets no page and cannot write there', () => {
    const store = new TestStore();
    expect(store.allocate('a', ['k'])).toEqual([allocated('a', { pages: [0], generations: [1] })]);

    expect(store.allocate('e2/b', ['k'])).toEqual([allocated('e2/b', { alreadySent: [0], joined: [0] })]);

    const stolen = { ...store.commitOf('a'), holder: { request: 'b', epoch: 'e2' } };
    expect(store.refusal(stolen)).toEqual({ code: 'stale_handle', field: 'pages' });
    expect(store.commit('a')).toEqual([chunksReady('a', 1, 0), chunksReady('e2/b', 0, 1)]);
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });

  test('S12: what is given up for a failed request includes the keys it found here', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);
    store.allocate('b', ['k0', 'k1']);
    store.release('a');
    store.commit('b');

    expect(store.end('b', 'failed')).toEqual([pagesFreed(2)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('S12: a failed request that only joined leaves the page to its writer', () => {
    const store = new TestStore();
    store.allocate('a', ['k']);
    store.allocate('b', ['k']);

    expect(store.end('b', 'failed')).toEqual([]);

    expect(store.state()).toEqual({ free: 3, writing: 1 });
    expect(store.commit('a')).toEqual([chunksReady('a', 1, 0)]);
  });

  test('S13: joined chunks count for everyone who joined, in the batch in which each did', () => {
    const store = new TestStore({ pages: 8 });
    store.allocate('a', ['k0', 'k1']);
    store.allocate('b', ['k1', 'k2'], { last: false, totalChunks: 3 });
    store.allocate('b', ['k0'], { batch: 1, totalChunks: 3 });
    store.allocate('c', ['k0', 'k1']);

    expect(store.commit('a')).toEqual([
      chunksReady('a', 2, 0),
      chunksReady('b', 0, 1, 1),
      chunksReady('c', 0, 2),
      chunksReady('b', 0, 1, 0),
    ]);
    expect(store.commit('b', 0)).toEqual([chunksReady('b', 1, 0)]);
    expect(store.commit('b', 1)).toEqual([]);
    expect(store.state()).toEqual({ free: 5, ready: 3 });
  });

  test('S14: a fully deduplicated batch writes nothing and completes without a commit', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);

    expect(store.allocate('b', ['k1', 'k0'])).toEqual([allocated('b', { alreadySent: [0, 1] }, { bytes: 0 })]);
    expect(store.end('b', 'ready')).toEqual([]);

    expect(store.state()).toEqual({ free: 2, ready: 2 });
    expect(store.acquire('b').reply.found).toEqual([
      { key: 'k1', page: 1, generation: 1, length: 10 },
      { key: 'k0', page: 0, generation: 1, length: 10 },
    ]);
  });
});

describe('ready means that the bytes are here', () => {
  test('P1: a key is being written → it is joined, not ready, until its commit', () => {
    const store = new TestStore();
    store.allocate('a', ['k0', 'k1']);

    expect(store.allocate('b', ['k0', 'k1'])).toEqual([allocated('b', { alreadySent: [0, 1], joined: [0, 1] })]);
    expect(store.acquire('e9/reader', ['k0', 'k1']).reply).toEqual({ found: [], missing: ['k0', 'k1'] });
    expect(store.commit('a')).toEqual([chunksReady('a', 2, 0), chunksReady('b', 0, 2)]);
    expect(store.allocate('c', ['k0', 'k1'])).toEqual([allocated('c', { alreadySent: [0, 1] })]);

    expect(store.state()).toEqual({ free: 2, ready: 2 });
  });

  test('P1: a batch that found some chunks ready and joined others says which', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);
    store.allocate('b', ['k1']);

    expect(store.allocate('c', ['k0', 'k1', 'k2'])).toEqual([
      allocated('c', { pages: [2], generations: [1], alreadySent: [0, 1], joined: [1] }),
    ]);
    expect(store.state()).toEqual({ free: 1, writing: 2, ready: 1 });
  });

  test('P1: a request does not end ready while its bytes are not here', () => {
    const store = new TestStore();
    store.allocate('a', ['k']);
    store.allocate('b', ['k']);

    expect(store.refusal(endReady('a'))).toEqual({ code: 'internal', field: undefined });
    expect(store.refusal(endReady('b'))).toEqual({ code: 'internal', field: undefined });

    expect(store.tombstone('a')).toBeUndefined();
    expect(store.tombstone('b')).toBeUndefined();
    expect(store.state()).toEqual({ free: 3, writing: 1 });
  });

  test('P1: a request does not end ready while it waits for pages', () => {
    const store = new TestStore({ pages: 1 });
    store.makeReady('a', ['k0']);
    store.allocate('b', ['k1']);

    expect(store.refusal(endReady('b'))).toEqual({ code: 'internal', field: undefined });
    expect(store.state()).toEqual({ ready: 1, waiting: 1 });
  });

  test('P1, P2: the joined writer fails → the request cannot end ready without the bytes', () => {
    const store = new TestStore();
    store.allocate('a', ['k0']);
    store.allocate('b', ['k0', 'k1']);
    store.commit('b');
    store.end('a', 'failed');

    expect(store.refusal(endReady('b'))).toEqual({ code: 'internal', field: undefined });
    expect(store.end('b', 'failed')).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 2, quarantined: 2 });
  });
});

describe('waiting for pages', () => {
  test('P3, T3: two requests wait for a key in a full arena → one page, the other joins', () => {
    const store = new TestStore({ pages: 1 });
    store.makeReady('a', ['k0']);
    expect(store.allocate('b', ['k1'])).toEqual([queued('b', 1)]);
    expect(store.allocate('c', ['k1'])).toEqual([queued('c', 1)]);

    expect(store.release('a')).toEqual({
      reply: { existed: 1, freedPages: 1 },
      effects: [
        leasesEnded('a', 'released'),
        pagesFreed(1),
        allocated('b', { pages: [0], generations: [2] }),
        allocated('c', { alreadySent: [0], joined: [0] }),
      ],
    });

    expect(store.state()).toEqual({ writing: 1 });
    expect(store.commit('b')).toEqual([chunksReady('b', 1, 0), chunksReady('c', 0, 1)]);
    store.end('b', 'ready');
    store.end('c', 'ready');
    expect(store.release('b').reply).toEqual({ existed: 1, freedPages: 0 });
    expect(store.release('c').reply).toEqual({ existed: 1, freedPages: 1 });
    expect(store.state()).toEqual({ free: 1 });
  });

  test('P3: a key is gone when its queued request is admitted → it gets a page', () => {
    const store = new TestStore({ pages: 2 });
    store.makeReady('a', ['k0']);
    store.makeReady('b', ['k1']);
    expect(store.allocate('c', ['k0', 'k2'])).toEqual([queued('c', 1)]);

    expect(store.release('a').effects).toEqual([leasesEnded('a', 'released'), pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 1, ready: 1, waiting: 1 });
    expect(store.release('b').effects).toEqual([
      leasesEnded('b', 'released'),
      pagesFreed(1),
      allocated('c', { pages: [1, 0], generations: [2, 2] }),
    ]);
    expect(store.state()).toEqual({ writing: 2 });
  });

  test('P3: a key comes with another length while a batch waits → the batch is refused', () => {
    const store = new TestStore({ pages: 2 });
    store.makeReady('a', ['k0']);
    store.makeReady('b', ['k1']);
    store.allocate('c', ['k2']);
    expect(store.allocate('d', ['k2'], { last: false, totalChunks: 2, lengths: [11] })).toEqual([queued('d', 2)]);

    expect(store.release('a').effects).toEqual([
      leasesEnded('a', 'released'),
      pagesFreed(1),
      allocated('c', { pages: [0], generations: [2] }),
    ]);
    expect(store.release('b').effects).toEqual([
      leasesEnded('b', 'released'),
      pagesFreed(1),
      {
        type: 'refused',
        holder: { request: 'd', epoch: 'e1' },
        batch: 0,
        reason: {
          code: 'length_mismatch',
          message: 'key k2 is already in the arena with 10 bytes, not 11',
          field: 'keys[0]',
        },
      },
    ]);
    expect(store.refusal(allocate('d', ['k4'], { batch: 1, totalChunks: 2 }))).toEqual({
      code: 'length_mismatch',
      field: 'keys[0]',
    });
    store.end('d', 'failed');
    expect(store.state()).toEqual({ free: 1, writing: 1 });
  });
});

describe('refused while waiting', () => {
  test('P3, S15: a later batch gets a waiting request refused → no queued effect for it', () => {
    const store = new TestStore({ pages: 6 });
    store.makeReady('a', ['k0', 'k1']);
    store.allocate('e', ['k2'], { last: false, totalChunks: 4 });
    expect(store.allocate('d', ['k3'], { last: false, totalChunks: 3, lengths: [11] })).toEqual([queued('d', 3)]);
    store.allocate('e', ['k3'], { batch: 1, last: false, totalChunks: 4 });

    const effects = store.allocate('d', ['k0', 'k1'], { batch: 1, totalChunks: 3 });
    expect(effects.map(({ type }) => type)).toEqual(['refused']);
    expect(store.state()).toEqual({ free: 2, ready: 2, writing: 2, reserved: 2 });
  });
});

describe('requests with little or nothing to move', () => {
  test('P16, T14: the prompt ends on a chunk boundary → an empty last batch completes it', () => {
    const store = new TestStore();
    store.allocate('a', ['k0'], { last: false });
    store.commit('a', 0);

    expect(store.allocate('a', [], { batch: 1, totalChunks: 1 })).toEqual([allocated('a', {}, { batch: 1 })]);
    expect(store.end('a', 'ready')).toEqual([]);

    expect(store.state()).toEqual({ free: 3, ready: 1 });
    expect(store.acquire('a').reply).toEqual({
      found: [{ key: 'k0', page: 0, generation: 1, length: 10 }],
      missing: [],
    });
  });

  test('P16, T14: a request without a key → ready at once, acquired as an empty list', () => {
    const store = new TestStore({ pages: 1 });
    store.makeReady('a', ['k0']);
    store.allocate('b', ['k1']);

    expect(store.allocate('c', [])).toEqual([allocated('c', {})]);
    expect(store.end('c', 'ready')).toEqual([]);

    expect(store.tombstone('c')).toEqual({ end: 'ready', reason: undefined, atMs: 0 });
    expect(store.acquire('c').reply).toEqual({ found: [], missing: [] });
    expect(store.release('c').effects).toEqual([leasesEnded('c', 'released')]);
    expect(store.refusal({ type: 'acquire', holder: holderOf('c'), keys: undefined })).toMatchObject({ end: 'ready' });
    expect(store.state()).toEqual({ ready: 1, waiting: 1 });
  });

  test('P16, T14: a ready request without a key is not acquired → its lease ends by time', () => {
    const store = new TestStore();
    store.makeReady('c', []);
    store.nowMs = 1000;

    expect(store.expire()).toEqual([leasesEnded('c', 'expired')]);
    expect(store.expire()).toEqual([]);
  });

  test('P16, T14: all batches are deduplicated → the request is complete without a write', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);

    expect(store.allocate('b', ['k0'], { last: false, totalChunks: 2 })).toEqual([
      allocated('b', { alreadySent: [0] }, { last: false }),
    ]);
    expect(store.allocate('b', ['k1'], { batch: 1, totalChunks: 2 })).toEqual([
      allocated('b', { alreadySent: [0] }, { batch: 1 }),
    ]);
    expect(store.end('b', 'ready')).toEqual([]);
    expect(store.state()).toEqual({ free: 2, ready: 2 });
  });
});
