/** A handle is (page, generation). The store recognises and refuses handles of an earlier generation. */
import { describe, expect, test } from 'vitest';
import { KvferryError } from '../../src/protocol/errors.js';
import { PageTable } from '../../src/store/page-table.js';
import { allocated, chunksReady, TestStore } from './support.js';

describe('generations', () => {
  test('P13: a page gets a new generation each time it is handed out', () => {
    const store = new TestStore({ pages: 1 });
    for (const generation of [1, 2, 3]) {
      expect(store.allocate(`r${generation}`, ['k'])).toEqual([
        allocated(`r${generation}`, { pages: [0], generations: [generation] }),
      ]);
      store.commit(`r${generation}`);
      store.end(`r${generation}`, 'ready');
      expect(store.acquire(`r${generation}`).reply.found).toEqual([{ key: 'k', page: 0, generation, length: 10 }]);
      store.release(`r${generation}`);
    }
    expect(store.state()).toEqual({ free: 1 });
  });

  const stale: [string, string, { pages?: number[]; generations?: number[] }][] = [
    ['an old generation', 'generations[1]', { generations: [2, 1] }],
    ['a generation to come', 'generations[0]', { generations: [3, 2] }],
    ["another holder's page", 'pages[1]', { pages: [1, 2] }],
    ['pages in another order', 'pages[0]', { pages: [0, 1] }],
    ['a page that does not exist', 'pages[0]', { pages: [99, 0] }],
    ['too few pages', 'pages', { pages: [1], generations: [2] }],
    ['too many pages', 'pages', { pages: [1, 0, 2], generations: [2, 2, 1] }],
  ];
  for (const [what, field, change] of stale) {
    test(`P13: a commit that names ${what} is refused`, () => {
      const store = new TestStore();
      store.makeReady('old', ['k0', 'k1']);
      store.release('old');
      expect(store.allocate('a', ['k0', 'k1'])).toEqual([allocated('a', { pages: [1, 0], generations: [2, 2] })]);
      store.allocate('b', ['k2']);

      expect(store.refusal({ ...store.commitOf('a'), ...change })).toEqual({ code: 'stale_handle', field });

      expect(store.commit('a')).toEqual([chunksReady('a', 2, 0)]);
      expect(store.state()).toEqual({ free: 1, ready: 2, writing: 1 });
    });
  }

  test('P13: a commit for a batch that has no pages yet, or that never came, is refused', () => {
    const store = new TestStore({ pages: 1 });
    store.allocate('a', ['k0']);
    const commit = store.commitOf('a');
    store.allocate('b', ['k1']);

    const refusal = { code: 'stale_handle', field: 'batch' };
    expect(store.refusal({ ...commit, holder: { request: 'b', epoch: 'e1' } })).toEqual(refusal);
    expect(store.refusal({ ...commit, batch: 1 })).toEqual(refusal);
    expect(store.state()).toEqual({ writing: 1, waiting: 1 });
  });

  test('P13: a commit that comes again is accepted and changes nothing', () => {
    const store = new TestStore();
    store.allocate('a', ['k0'], { last: false, totalChunks: 2 });

    expect(store.commit('a')).toEqual([chunksReady('a', 1, 0)]);
    expect(store.commit('a')).toEqual([]);
    expect(store.refusal({ ...store.commitOf('a'), generations: [9] })).toEqual({
      code: 'stale_handle',
      field: 'generations[0]',
    });
    expect(store.state()).toEqual({ free: 3, ready: 1, reserved: 1 });
  });
});

describe('generations wrap', () => {
  test('P13: a page is used across 2^32 → old handles are refused', () => {
    const store = new TestStore({ pages: 1, firstGeneration: 2 ** 32 - 3 });
    for (const generation of [2 ** 32 - 2, 2 ** 32 - 1, 1, 2]) {
      const request = `r${generation}`;
      expect(store.allocate(request, ['k'])).toEqual([allocated(request, { pages: [0], generations: [generation] })]);
      const commit = store.commitOf(request);
      expect(store.refusal({ ...commit, generations: [0] })).toMatchObject({ code: 'stale_handle' });
      expect(store.refusal({ ...commit, generations: [2 ** 32] })).toMatchObject({ code: 'stale_handle' });
      store.commit(request);
      store.end(request, 'ready');
      expect(store.acquire(request).reply.found).toEqual([{ key: 'k', page: 0, generation, length: 10 }]);
      store.release(request);
    }
    expect(store.state()).toEqual({ free: 1 });
  });
});

describe('the page table takes no step that the page machine forbids', () => {
  const forbidden: [string, (table: PageTable) => void][] = [
    ['a free page freed again', (table) => table.free(0, 'page.released')],
    ['a free page committed', (table) => table.commit(0)],
    ['a free page quarantined', (table) => table.quarantine(0)],
    [
      'a page that is being written released as if ready',
      (table) => table.free(table.allocate().page, 'page.released'),
    ],
    [
      'a ready page quarantined',
      (table) => {
        table.commit(table.allocate().page);
        table.quarantine(0);
      },
    ],
    [
      'a quarantined page committed',
      (table) => {
        table.quarantine(table.allocate().page);
        table.commit(0);
      },
    ],
    [
      'more pages allocated than there are',
      (table) => {
        table.allocate();
        table.allocate();
        table.allocate();
      },
    ],
    ['a page that does not exist', (table) => table.commit(7)],
  ];
  for (const [what, act] of forbidden) {
    test(`P5: the page table refuses ${what}`, () => {
      const table = new PageTable(2);
      expect(() => act(table)).toThrow(KvferryError);
      expect(table.brokenInvariant()).toBeUndefined();
    });
  }
});
