import { expect, test } from 'vitest';
import { Store } from '../../src/store/store.js';

test('describe: the whole store as plain data', () => {
  const options = {
    pages: 3,
    pageBytes: 64,
    leaseMs: 1000,
    tombstonesMax: 10,
    tombstoneMs: 1000,
    holdersMax: 10,
    retainedMax: 0,
  };
  const store = new Store(options);
  const allocate = { type: 'allocate', grant: 'g', batch: 0, last: true } as const;
  const a = { request: 'a', epoch: 'e' };
  const b = { request: 'b', epoch: 'e' };
  const c = { request: 'c', epoch: 'e' };
  store.execute({ type: 'grant', grant: 'g', epoch: 'e' }, 0);
  store.execute({ ...allocate, holder: a, totalChunks: 2, keys: ['x', 'y'], lengths: [64, 32] }, 1);
  store.execute({ ...allocate, holder: b, totalChunks: 1, keys: ['x'], lengths: [64] }, 2);
  store.execute({ ...allocate, holder: c, totalChunks: 2, keys: ['u', 'v'], lengths: [1, 1] }, 3);
  const before = store.describe();
  expect(before).toMatchObject({
    pages: [
      { state: 'writing', generation: 1 },
      { state: 'writing', generation: 1 },
      { state: 'free', generation: 0 },
    ],
    free: [2],
    entries: [
      {
        key: 'x',
        length: 64,
        ready: false,
        retained: false,
        holders: ['e/a', 'e/b'],
        place: { page: 0, generation: 1, writer: 'e/a', grant: 'g' },
      },
      { key: 'y', length: 32, ready: false, place: { page: 1, writer: 'e/a' }, joiners: [] },
    ],
    queue: ['e/c'],
    grants: ['g'],
    quarantine: [],
    tombstones: [],
  });
  expect(before.entries[0]?.joiners).toEqual([{ holder: 'e/b', batch: 0 }]);
  expect(before.holders.map(({ name, admitted, leases }) => ({ name, admitted, leases }))).toEqual([
    { name: 'e/a', admitted: true, leases: ['x', 'y'] },
    { name: 'e/b', admitted: true, leases: ['x'] },
    { name: 'e/c', admitted: false, leases: [] },
  ]);
  store.execute({ type: 'end', holder: a, end: 'cancelled', reason: undefined }, 4);
  expect(store.describe()).toMatchObject({
    quarantine: [
      { page: 0, writer: 'e/a', grant: 'g', sinceMs: 4 },
      { page: 1, writer: 'e/a', grant: 'g', sinceMs: 4 },
    ],
    tombstones: [{ holder: 'e/a', end: 'cancelled', atMs: 4 }],
  });
  expect(before.quarantine).toEqual([]);
});
