/** Requests that have ended: late and repeated messages get the recorded end as their answer. */
import { describe, expect, test, vi } from 'vitest';
import type { End } from '../../src/protocol/subjects.js';
import { Tombstones } from '../../src/store/tombstones.js';
import { allocate, allocated, holderOf, leasesEnded, pagesFreed, reason, TestStore } from './support.js';

describe('after the end', () => {
  const ends: End[] = ['failed', 'cancelled', 'expired'];
  for (const end of ends) {
    test(`P6, T6: a batch completes or arrives after its request was ${end} → no change`, () => {
      const store = new TestStore();
      store.allocate('a', ['k0'], { last: false, totalChunks: 2 });
      const commit = store.commitOf('a');
      store.end('a', end);
      store.drained('a');

      const answer = { code: 'request_ended', field: 'request', end };
      expect(store.refusal(commit)).toEqual(answer);
      expect(store.refusal(allocate('a', ['k0'], { last: false, totalChunks: 2 }))).toEqual(answer);
      expect(store.refusal(allocate('a', ['k1'], { batch: 1, totalChunks: 2 }))).toEqual(answer);
      expect(store.refusal({ type: 'acquire', holder: holderOf('a'), keys: ['k0'] })).toEqual(answer);
      expect(store.refusal({ type: 'release', holder: holderOf('a'), keys: undefined })).toEqual(answer);
      expect(store.state()).toEqual({ free: 4 });
    });
  }

  test('P6: messages for a ready request are answered with ready, and its bytes stay', () => {
    const store = new TestStore();
    store.allocate('a', ['k0']);
    const commit = store.commitOf('a');
    store.commit('a');
    store.end('a', 'ready');

    const answer = { code: 'request_ended', field: 'request', end: 'ready' };
    expect(store.refusal(commit)).toEqual(answer);
    expect(store.refusal(allocate('a', ['k0']))).toEqual(answer);
    expect(store.end('a', 'cancelled')).toEqual([]);
    expect(store.drained('a')).toEqual([]);
    expect(store.acquire('a').reply.found).toEqual([{ key: 'k0', page: 0, generation: 1, length: 10 }]);
    expect(store.tombstone('a')).toEqual({ end: 'ready', reason: undefined, atMs: 0 });
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });

  test('P6: the first end is the one that stays, with its reason', () => {
    const store = new TestStore();
    store.allocate('a', ['k0']);
    store.nowMs = 5;
    store.end('a', 'failed');
    store.nowMs = 6;
    store.run({
      type: 'end',
      holder: holderOf('a'),
      end: 'cancelled',
      reason: { code: 'closed', message: 'too late' },
    });

    expect(store.tombstone('a')).toEqual({ end: 'failed', reason, atMs: 5 });
    expect(store.state()).toEqual({ free: 3, quarantined: 1 });
  });

  test('P6: the name can be used again in another epoch', () => {
    const store = new TestStore();
    store.end('e1/a', 'cancelled');

    expect(store.allocate('e2/a', ['k0'])).toEqual([allocated('e2/a', { pages: [0], generations: [1] })]);
    expect(store.state()).toEqual({ free: 3, writing: 1 });
  });

  test('P6: a released request is asked for again → it was ready; its keys may be here', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);
    store.makeReady('b', ['k1']);
    expect(store.release('a').effects).toEqual([leasesEnded('a', 'released'), pagesFreed(1)]);

    expect(store.release('a', ['k0', 'k1'])).toEqual({ reply: { existed: 1, freedPages: 0 }, effects: [] });
    expect(store.refusal({ type: 'acquire', holder: holderOf('a'), keys: undefined })).toEqual({
      code: 'request_ended',
      field: 'request',
      end: 'ready',
    });
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });
});

describe('bounded and timed', () => {
  test('P6: an end is forgotten after tombstoneMs, and then the request is unknown', () => {
    const store = new TestStore({ tombstoneMs: 1000 });
    store.allocate('a', ['k0']);
    const commit = store.commitOf('a');
    store.end('a', 'failed');
    store.drained('a');

    store.nowMs = 999;
    store.expire();
    expect(store.tombstone('a')).toEqual({ end: 'failed', reason, atMs: 0 });
    store.nowMs = 1000;
    store.expire();
    expect(store.tombstone('a')).toBeUndefined();
    expect(store.refusal(commit)).toEqual({ code: 'unknown_request', field: 'request' });
    expect(store.refusal({ type: 'release', holder: holderOf('a'), keys: undefined })).toEqual({
      code: 'unknown_request',
      field: 'request',
    });
  });

  test('P6: at most tombstonesMax ends are kept, the latest ones', () => {
    const store = new TestStore({ tombstonesMax: 2 });
    for (const name of ['a', 'b', 'a', 'c']) store.end(name, 'cancelled');

    expect(['a', 'b', 'c'].map((name) => store.tombstone(name)?.end)).toEqual([undefined, 'cancelled', 'cancelled']);
    const tombstones = new Tombstones({ max: 2, keepMs: 1000 });
    for (let index = 0; index < 10; index += 1)
      tombstones.add({ request: `r${index}`, epoch: 'e' }, 'ready', undefined, index);
    expect(['r7', 'r8', 'r9'].map((request) => tombstones.get({ request, epoch: 'e' })?.atMs)).toEqual([
      undefined,
      8,
      9,
    ]);
    expect(tombstones.size).toBe(2);
  });

  test('P28: one name ends in 50,000 epochs → each end costs the same', () => {
    const tombstones = new Tombstones({ max: 50_000, keepMs: 1000 });
    const holders = Array.from({ length: 50_000 }, (_, index) => ({ request: 'r', epoch: `${index}` }));
    const lists = vi.spyOn(Array.prototype, 'filter');
    const lookedAt = vi.spyOn(tombstones, 'ofRequest');
    for (const holder of holders) tombstones.add(holder, 'failed', undefined, 0);
    tombstones.prune(1000);
    const counts = [lists.mock.calls.length, lookedAt.mock.calls.length];
    lists.mockRestore();
    expect(counts).toEqual([0, 0]);
    expect(tombstones.ofRequest('r')).toHaveLength(50_000 - 1024);
    expect(tombstones.ofRequest('r')[0]?.holder.epoch).toBe('1024');
  });

  test('P6: a tombstone is forgotten and a late abort arrives → the request stays ready', () => {
    const store = new TestStore({ tombstonesMax: 1 });
    store.makeReady('a', ['k0']);
    store.end('b', 'cancelled');

    expect(store.end('a', 'failed')).toEqual([]);

    expect(store.tombstone('a')?.end).not.toBe('failed');
    expect(store.acquire('a').reply.found).toEqual([{ key: 'k0', page: 0, generation: 1, length: 10 }]);
    expect(store.release('a').reply).toEqual({ existed: 1, freedPages: 1 });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P6: a tombstone is forgotten → a late batch of the ready request has ended', () => {
    const store = new TestStore({ tombstonesMax: 1 });
    store.makeReady('a', ['k0']);
    store.end('b', 'cancelled');

    expect(store.refusal(allocate('a', ['k0']))).toEqual({ code: 'request_ended', field: 'request', end: 'ready' });
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });
});
