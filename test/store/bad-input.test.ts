/** Commands that the store refuses: a typed error names the field, and the store has not changed. */
import { describe, expect, test } from 'vitest';
import type { StoreCommand } from '../../src/store/messages.js';
import { allocate, allocated, chunksReady, holderOf, TestStore } from './support.js';

type Allocate = Extract<StoreCommand, { type: 'allocate' }>;
type Commit = Extract<StoreCommand, { type: 'commit' }>;

/** Request `a` sent batch 0 of 2, with k0 and k1 of its 4 chunks. Request `z` is ready, with key z0. */
function arriving(): TestStore {
  const store = new TestStore({ pages: 8 });
  store.makeReady('z', ['z0']);
  store.allocate('a', ['k0', 'k1'], { last: false, totalChunks: 4 });
  return store;
}

describe('allocate', () => {
  const batch1 = allocate('a', ['k2', 'k3'], { batch: 1, totalChunks: 4 });
  const cases: [string, Partial<Allocate>, { code: string; field: string }][] = [
    ['an unknown grant', { grant: 'nobody' }, { code: 'stale_grant', field: 'grant' }],
    ['the grant of another sender', { grant: 'grant-e2' }, { code: 'stale_grant', field: 'grant' }],
    ['fewer lengths than keys', { lengths: [10] }, { code: 'invalid_field', field: 'lengths' }],
    ['more lengths than keys', { lengths: [10, 10, 10] }, { code: 'invalid_field', field: 'lengths' }],
    ['a length of nothing', { lengths: [10, 0] }, { code: 'invalid_field', field: 'lengths[1]' }],
    ['a length beyond the page', { lengths: [101, 10] }, { code: 'invalid_field', field: 'lengths[0]' }],
    ['a key twice', { keys: ['k2', 'k2'] }, { code: 'invalid_field', field: 'keys[1]' }],
    ['a key of an earlier batch', { keys: ['k2', 'k1'] }, { code: 'invalid_field', field: 'keys[1]' }],
    [
      'a key that is here with another length',
      { keys: ['k2', 'z0'], lengths: [10, 11] },
      { code: 'length_mismatch', field: 'keys[1]' },
    ],
    ['another totalChunks', { totalChunks: 5, last: false }, { code: 'invalid_field', field: 'totalChunks' }],
    [
      'more chunks than totalChunks',
      { keys: ['k2', 'k3', 'k4'], lengths: [10, 10, 10], last: false },
      { code: 'invalid_field', field: 'totalChunks' },
    ],
    [
      'fewer chunks than totalChunks at the end',
      { keys: ['k2'], lengths: [10] },
      { code: 'invalid_field', field: 'totalChunks' },
    ],
    ['a request that never fits', { totalChunks: 9 }, { code: 'request_too_large', field: 'totalChunks' }],
    ['the same batch with other keys', { batch: 0, last: false }, { code: 'duplicate_batch', field: 'batch' }],
    [
      'the same batch with fewer keys',
      { batch: 0, last: false, keys: ['k0'], lengths: [10] },
      { code: 'duplicate_batch', field: 'batch' },
    ],
    [
      'the same batch with other lengths',
      { batch: 0, last: false, keys: ['k0', 'k1'], lengths: [10, 11] },
      { code: 'duplicate_batch', field: 'batch' },
    ],
    [
      'the same batch of a request of another size',
      { batch: 0, last: false, keys: ['k0', 'k1'], totalChunks: 5 },
      { code: 'duplicate_batch', field: 'batch' },
    ],
    [
      'the same batch, now last',
      { batch: 0, last: true, keys: ['k0', 'k1'] },
      { code: 'duplicate_batch', field: 'batch' },
    ],
  ];
  for (const [what, change, refusal] of cases) {
    test(`S6: allocate with ${what} is refused by its field and changes nothing`, () => {
      const store = arriving();

      expect(store.refusal({ ...batch1, ...change })).toEqual(refusal);

      expect(store.run(batch1).effects).toEqual([allocated('a', { pages: [3, 4], generations: [1, 1] }, { batch: 1 })]);
      expect(store.state()).toEqual({ free: 3, ready: 1, writing: 4 });
    });
  }

  test.each<[string, Partial<Allocate>, string]>([
    ['twice', { keys: ['k2', 'k2'] }, 'key k2 is in the batch twice'],
    ['of an earlier batch', { keys: ['k2', 'k1'] }, 'key k1 is in an earlier batch'],
    [
      'of another length',
      { keys: ['k2', 'z0'], lengths: [10, 11] },
      'key z0 is already in the arena with 10 bytes, not 11',
    ],
  ])('a key is refused, %s → the message names the key', (_, change, message) => {
    const store = arriving();
    expect(() => store.run({ ...batch1, ...change })).toThrow(message);
  });

  test('S6: a batch after the last one, and a second last one, are refused', () => {
    const store = new TestStore();
    store.allocate('a', ['k1'], { batch: 1, totalChunks: 3 });

    const refusal = { code: 'invalid_field', field: 'batch' };
    expect(store.refusal(allocate('a', ['k2'], { batch: 2, last: false, totalChunks: 3 }))).toEqual(refusal);
    expect(store.refusal(allocate('a', ['k2'], { batch: 2, totalChunks: 3 }))).toEqual(refusal);
    expect(store.refusal(allocate('a', ['k2'], { batch: 0, totalChunks: 3 }))).toEqual(refusal);
    expect(store.allocate('a', ['k2', 'k3'], { last: false, totalChunks: 3 })).toEqual([
      allocated('a', { pages: [1, 2], generations: [1, 1] }, { last: false }),
    ]);
    expect(store.state()).toEqual({ free: 1, writing: 3 });
  });

  test('S6: a last batch below one that has come is refused', () => {
    const store = new TestStore();
    store.allocate('a', ['k1'], { batch: 5, last: false, totalChunks: 3 });

    expect(store.refusal(allocate('a', ['k2', 'k3'], { batch: 4, totalChunks: 3 }))).toEqual({
      code: 'invalid_field',
      field: 'batch',
    });
    expect(store.state()).toEqual({ free: 3, writing: 1, reserved: 2 });
  });

  test('S6: keys that wait count as keys of an earlier batch', () => {
    const store = new TestStore({ pages: 3 });
    store.makeReady('z', ['z0']);
    store.allocate('a', ['k0'], { last: false, totalChunks: 3 });

    expect(store.refusal(allocate('a', ['k0', 'k1'], { batch: 1, totalChunks: 3 }))).toEqual({
      code: 'invalid_field',
      field: 'keys[0]',
    });
    expect(store.state()).toEqual({ free: 2, ready: 1, waiting: 1 });
  });

  test('P11: the name of a reader is not the name of a request', () => {
    const store = arriving();
    store.acquire('e1/reader', ['z0']);

    expect(store.refusal(allocate('e1/reader', [], { totalChunks: 0 }))).toEqual({
      code: 'invalid_field',
      field: 'request',
    });
    expect(store.state()).toEqual({ free: 5, ready: 1, writing: 2, reserved: 2 });
  });
});

describe('commit', () => {
  const cases: [string, Partial<Commit>, { code: string; field: string }][] = [
    ['fewer generations than pages', { generations: [1] }, { code: 'invalid_field', field: 'generations' }],
    ['fewer lengths than pages', { lengths: [10] }, { code: 'length_mismatch', field: 'lengths' }],
    ['more lengths than pages', { lengths: [10, 10, 10] }, { code: 'length_mismatch', field: 'lengths' }],
    ['another length', { lengths: [10, 9] }, { code: 'length_mismatch', field: 'lengths' }],
    ['an unknown request', { holder: holderOf('x') }, { code: 'unknown_request', field: 'request' }],
    ['a request of another epoch', { holder: holderOf('e2/a') }, { code: 'unknown_request', field: 'request' }],
  ];
  for (const [what, change, refusal] of cases) {
    test(`S6: commit with ${what} is refused by its field and changes nothing`, () => {
      const store = arriving();

      expect(store.refusal({ ...store.commitOf('a'), ...change })).toEqual(refusal);

      expect(store.commit('a')).toEqual([chunksReady('a', 2, 0)]);
      expect(store.state()).toEqual({ free: 5, ready: 3, reserved: 2 });
    });
  }
});

describe('acquire and release', () => {
  test('P10: an unknown request without keys is a typed error', () => {
    const store = new TestStore();
    const refusal = { code: 'unknown_request', field: 'request' };
    expect(store.refusal({ type: 'acquire', holder: holderOf('x'), keys: undefined })).toEqual(refusal);
    expect(store.refusal({ type: 'release', holder: holderOf('x'), keys: undefined })).toEqual(refusal);
    expect(store.refusal({ type: 'release', holder: holderOf('x'), keys: ['k'] })).toEqual(refusal);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P4: what is not known is already drained, fenced and ended', () => {
    const store = new TestStore();
    expect(store.drained('x')).toEqual([]);
    expect(store.fence('grant-x')).toEqual([]);
    expect(store.end('x', 'failed')).toEqual([]);
    expect(store.expire()).toEqual([]);
    expect(store.state()).toEqual({ free: 4 });
  });
});
