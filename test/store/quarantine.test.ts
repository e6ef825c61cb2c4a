/** Pages whose writer gave up: no request gets them before the write has drained or can no longer land. */
import { describe, expect, test } from 'vitest';
import { allocate, allocated, chunksReady, holderOf, leasesEnded, pagesFreed, queued, TestStore } from './support.js';

describe('a write may be under way', () => {
  test('P5, T5: cancel during a write → the page is not handed out before it drained', () => {
    const store = new TestStore({ pages: 2 });
    store.allocate('a', ['k0', 'k1']);
    expect(store.end('a', 'cancelled')).toEqual([]);
    expect(store.state()).toEqual({ quarantined: 2 });

    expect(store.allocate('b', ['k0'])).toEqual([queued('b', 1)]);
    expect(store.drained('a')).toEqual([pagesFreed(2), allocated('b', { pages: [1], generations: [2] })]);
    expect(store.state()).toEqual({ free: 1, writing: 1 });
  });

  test('P5, T5: no drain is reported → the page is handed out when the key is revoked', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('a', ['k0']);
    store.end('a', 'failed');
    expect(store.allocate('e2/b', ['k1'])).toEqual([queued('e2/b', 1)]);

    expect(store.fence('grant-e3')).toEqual([]);
    expect(store.fence('grant-e1')).toEqual([pagesFreed(1), allocated('e2/b', { pages: [0], generations: [2] })]);
    expect(store.drained('a')).toEqual([]);
    expect(store.state()).toEqual({ writing: 1 });
  });

  test('P5: only the writer that gave up can say that its pages have drained', () => {
    const store = new TestStore();
    store.allocate('e1/a', ['k0']);
    store.allocate('e2/a', ['k1']);
    store.allocate('e1/b', ['k2']);
    for (const name of ['e1/a', 'e2/a', 'e1/b']) store.end(name, 'failed');

    expect(store.drained('e1/b')).toEqual([pagesFreed(1)]);
    expect(store.drained('e2/a')).toEqual([pagesFreed(1)]);
    expect(store.drained('e2/b')).toEqual([]);
    expect(store.state()).toEqual({ free: 3, quarantined: 1 });
    expect(store.drained('e1/a')).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P5: the key was revoked before the sender gave up → its pages are free at once', () => {
    const store = new TestStore();
    store.allocate('a', ['k0']);

    expect(store.fence('grant-e1')).toEqual([]);
    expect(store.state()).toEqual({ free: 3, writing: 1 });
    expect(store.end('a', 'failed')).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P5: only pages that may still be written are quarantined; the others are free', () => {
    const store = new TestStore();
    store.allocate('a', ['k0', 'k1'], { last: false, totalChunks: 3 });
    store.allocate('a', ['k2'], { batch: 1, totalChunks: 3 });
    store.commit('a', 0);

    expect(store.end('a', 'failed')).toEqual([pagesFreed(2)]);
    expect(store.state()).toEqual({ free: 3, quarantined: 1 });
    expect(store.drained('a')).toEqual([pagesFreed(1)]);
  });

  test('P5: drained before the end → no write of that request can land later', () => {
    const store = new TestStore();
    store.allocate('a', ['k0', 'k1']);

    expect(store.drained('a')).toEqual([]);
    expect(store.state()).toEqual({ free: 2, writing: 2 });
    expect(store.end('a', 'expired')).toEqual([pagesFreed(2)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P5: a batch is repeated, its sender has no valid remote key → it is refused', () => {
    const store = new TestStore();
    store.allocate('a', ['k0']);
    store.fence('grant-e1');

    expect(store.refusal(allocate('a', ['k0']))).toEqual({ code: 'stale_grant', field: 'grant' });
    expect(store.end('a', 'failed')).toEqual([pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P5: what was committed under a remote key stays when the key is revoked', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);

    expect(store.fence('grant-e1')).toEqual([]);
    expect(store.acquire('a').reply.found).toEqual([{ key: 'k0', page: 0, generation: 1, length: 10 }]);
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });
});

describe('whatever the reply, giving up releases everything', () => {
  test('P9, T5: a sender cannot use the reply → pages, leases and reservations come back', () => {
    const store = new TestStore({ pages: 6 });
    store.makeReady('a', ['k0']);
    store.allocate('e2/w', ['k1']);
    store.allocate('b', ['k0', 'k1', 'k2'], { last: false, totalChunks: 5 });
    expect(store.state()).toEqual({ free: 3, ready: 1, writing: 2, reserved: 2 });

    expect(store.end('b', 'failed')).toEqual([]);
    expect(store.state()).toEqual({ free: 3, ready: 1, writing: 1, quarantined: 1 });
    expect(store.drained('b')).toEqual([pagesFreed(1)]);
    expect(store.commit('e2/w')).toEqual([chunksReady('e2/w', 1, 0)]);
    store.end('e2/w', 'ready');
    expect(store.release('e2/w').effects).toEqual([leasesEnded('e2/w', 'released'), pagesFreed(1)]);
    expect(store.release('a').effects).toEqual([leasesEnded('a', 'released'), pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 6 });
  });

  test('P9: a waiting request is given up → its place and all its batches are taken back', () => {
    const store = new TestStore({ pages: 1 });
    store.makeReady('a', ['k0']);
    store.allocate('b', ['k1'], { last: true, batch: 0 });

    expect(store.end('b', 'cancelled')).toEqual([]);
    expect(store.state()).toEqual({ ready: 1 });
    expect(store.release('a').effects).toEqual([leasesEnded('a', 'released'), pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 1 });
  });

  test('P9: giving up before the allocation arrives holds the allocation off', () => {
    const store = new TestStore();

    expect(store.end('a', 'cancelled')).toEqual([]);
    expect(store.drained('a')).toEqual([]);
    expect(store.refusal(allocate('a', ['k0']))).toEqual({ code: 'request_ended', field: 'request', end: 'cancelled' });
    expect(store.state()).toEqual({ free: 4 });
  });
});

test('T5: many cancels → no page is handed out that may still be written', () => {
  const store = new TestStore({ pages: 3 });
  const mayBeWritten = new Set<number>();

  for (let index = 0; index < 50; index += 1) {
    const [effect] = store.allocate(`r${index}`, [`k${index}`]);
    if (effect?.type !== 'allocated') throw new Error(`request r${index} was not admitted`);
    const page = effect.allocation.pages[0] as number;
    expect(mayBeWritten).not.toContain(page);
    store.end(`r${index}`, 'cancelled');
    mayBeWritten.add(page);
    if (index % 3 === 2) {
      for (const late of [index, index - 2, index - 1]) {
        expect(store.run({ type: 'drained', holder: holderOf(`r${late}`) }).effects).toEqual([pagesFreed(1)]);
      }
      mayBeWritten.clear();
    }
  }
  expect(store.state()).toEqual({ free: 1, quarantined: 2 });
});
