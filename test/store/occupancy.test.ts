/** How much requests and readers may take together (P28). */
import { expect, test } from 'vitest';
import { CHUNKS_IN_PROGRESS_MAX } from '../../src/protocol/limits.js';
import { Occupancy } from '../../src/store/occupancy.js';
import type { Holder } from '../../src/store/records.js';
import { Tombstones } from '../../src/store/tombstones.js';
import { holderOf, reason, TestStore } from './support.js';

const tooMany = { code: 'too_many_requests', field: 'request' };

test('P28: readers take half of the places → requests find the other half', () => {
  const store = new TestStore({ holdersMax: 4 });
  store.makeReady('a', ['k0']);
  store.acquire('e2/reader-0', ['k0']);
  store.acquire('e2/reader-1', ['k0']);
  expect(store.refusal({ type: 'acquire', holder: holderOf('e2/reader-2'), keys: ['k0'] })).toEqual(tooMany);
  store.allocate('b', ['k1']);
  store.release('e2/reader-0');
  store.acquire('e2/reader-2', ['k0']);
});

test('P28: more chunks in progress than an agent keeps → refused for now', () => {
  const occupancy = new Occupancy(4);
  const [request, reader] = [{ state: 'arriving' }, { state: 'reader' }] as Holder[];
  occupancy.set(request as Holder, CHUNKS_IN_PROGRESS_MAX - 2);
  occupancy.set(reader as Holder, 1);
  occupancy.refuseMoreHolders(1);
  expect(() => occupancy.refuseMoreHolders(2)).toThrow(
    'requests and readers of 1048575 chunks are active: 2 more are too many',
  );
  occupancy.delete(request as Holder);
  occupancy.refuseMoreHolders(CHUNKS_IN_PROGRESS_MAX - 1);
});

test('P28: reasons fill their room → of further ones the beginning is kept', () => {
  const tombstones = new Tombstones({ max: 100_000, keepMs: 1000 });
  const long = { ...reason, message: 'x'.repeat(1000) };
  for (let request = 0; request < 10_000; request += 1) tombstones.add(holderOf(`r${request}`), 'failed', long, 0);
  const lengthOf = (request: string) => tombstones.get(holderOf(request))?.reason?.message.length;
  expect([lengthOf('r0'), lengthOf('r9999')]).toEqual([1000, 100]);
  for (let nowMs = 1000; tombstones.size > 1; nowMs += 1) tombstones.prune(nowMs);
  tombstones.add(holderOf('last'), 'failed', long, 1000);
  expect(lengthOf('last')).toBe(1000);
});
