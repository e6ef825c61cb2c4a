/** Leases: a set of (request, epoch, key). A lease is taken in one step with the lookup, and dropped once. */
import { describe, expect, test } from 'vitest';
import { allocated, chunksReady, handedOver, leasesEnded, pagesFreed, TestStore } from './support.js';

describe('release', () => {
  test('S8: remove drops one reference and reports that the key existed; the last frees', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);
    store.makeReady('b', ['k1']);

    expect(store.release('a', ['k1'])).toEqual({ reply: { existed: 1, freedPages: 0 }, effects: [] });
    expect(store.state()).toEqual({ free: 2, ready: 2 });
    expect(store.release('b', ['k1'])).toEqual({
      reply: { existed: 1, freedPages: 1 },
      effects: [leasesEnded('b', 'released'), pagesFreed(1)],
    });
    expect(store.state()).toEqual({ free: 3, ready: 1 });
    expect(store.release('a', ['k0', 'k1'])).toEqual({
      reply: { existed: 1, freedPages: 1 },
      effects: [leasesEnded('a', 'released'), pagesFreed(1)],
    });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('S8: another request holds the key → it existed, and is not taken away', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);
    store.makeReady('b', ['k1']);

    expect(store.release('b', ['k0', 'k2'])).toEqual({ reply: { existed: 1, freedPages: 0 }, effects: [] });
    expect(store.state()).toEqual({ free: 2, ready: 2 });
    expect(store.acquire('a').reply.found).toEqual([{ key: 'k0', page: 0, generation: 1, length: 10 }]);
  });

  test('S10: one request removes a key → it stays readable for the others that hold it', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);
    store.allocate('e2/b', ['k1', 'k2']);
    store.release('a');

    expect(store.acquire('e9/reader', ['k0', 'k1']).reply).toEqual({
      found: [{ key: 'k1', page: 1, generation: 1, length: 10 }],
      missing: ['k0'],
    });
    store.commit('e2/b');
    store.end('e2/b', 'ready');
    expect(store.acquire('e2/b').reply).toEqual({
      found: [
        { key: 'k1', page: 1, generation: 1, length: 10 },
        { key: 'k2', page: 2, generation: 1, length: 10 },
      ],
      missing: [],
    });
    expect(store.state()).toEqual({ free: 2, ready: 2 });
  });

  test('P4: releasing twice is the same as releasing once, whichever keys are named', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0', 'k1']);
    store.makeReady('b', ['k0', 'k1']);

    store.release('a', ['k0']);
    expect(store.release('a', ['k0'])).toEqual({ reply: { existed: 1, freedPages: 0 }, effects: [] });
    store.release('a');
    expect(store.release('a', ['k0', 'k1'])).toEqual({ reply: { existed: 2, freedPages: 0 }, effects: [] });
    expect(store.release('a')).toEqual({ reply: { existed: 0, freedPages: 0 }, effects: [] });

    expect(store.state()).toEqual({ free: 2, ready: 2 });
    expect(store.release('b').reply).toEqual({ existed: 2, freedPages: 2 });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P4: a request of another epoch with the same name is another holder', () => {
    const store = new TestStore();
    store.makeReady('e1/a', ['k']);
    store.makeReady('e2/a', ['k']);

    expect(store.release('e1/a')).toEqual({
      reply: { existed: 1, freedPages: 0 },
      effects: [leasesEnded('e1/a', 'released')],
    });
    expect(store.acquire('e2/a').reply.found).toEqual([{ key: 'k', page: 0, generation: 1, length: 10 }]);
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });

  test('P4: a request that is still arriving cannot be released, only ended', () => {
    const store = new TestStore();
    store.allocate('a', ['k']);

    expect(store.refusal({ type: 'release', holder: { request: 'a', epoch: 'e1' }, keys: undefined })).toEqual({
      code: 'request_active',
      field: 'request',
    });
    expect(store.state()).toEqual({ free: 3, writing: 1 });
  });
});

describe('T4: roll-back and cancel, in any order and number', () => {
  const steps = {
    cancelled: (store: TestStore) => store.end('b', 'cancelled'),
    failed: (store: TestStore) => store.end('b', 'failed'),
    drained: (store: TestStore) => store.drained('b'),
  };
  type Step = keyof typeof steps;
  const orders: Step[][] = [
    ['failed', 'cancelled', 'drained'],
    ['failed', 'drained', 'cancelled', 'cancelled', 'drained'],
    ['cancelled', 'failed', 'drained', 'failed', 'drained'],
    ['cancelled', 'cancelled', 'cancelled', 'drained'],
  ];

  for (const order of orders) {
    test(`P4, T4: ${order.join(', ')} → each key is released once`, () => {
      const store = new TestStore({ pages: 6 });
      store.makeReady('a', ['k0']);
      store.allocate('c', ['k1']);
      store.allocate('b', ['k0', 'k1', 'k2']);

      const effects = order.flatMap((step) => steps[step](store));

      expect(effects).toEqual([pagesFreed(1)]);
      expect(store.tombstone('b')?.end).toBe(order[0]);
      expect(store.state()).toEqual({ free: 4, ready: 1, writing: 1 });
      expect(store.commit('c')).toEqual([chunksReady('c', 1, 0)]);
      expect(store.release('a').reply).toEqual({ existed: 1, freedPages: 1 });
      store.end('c', 'ready');
      expect(store.release('c').reply).toEqual({ existed: 1, freedPages: 1 });
      expect(store.state()).toEqual({ free: 6 });
    });
  }
});

describe('acquire', () => {
  test('P10: T11: a key that is not here is a typed miss', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);

    expect(store.acquire('a', ['k1', 'k0', 'k2'])).toEqual({
      reply: { found: [{ key: 'k0', page: 0, generation: 1, length: 10 }], missing: ['k1', 'k2'] },
      effects: [],
    });
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });

  test('P10: T11: a reader that finds nothing leaves nothing behind', () => {
    const store = new TestStore({ holdersMax: 1 });

    expect(store.acquire('e9/reader', ['k0']).reply).toEqual({ found: [], missing: ['k0'] });
    expect(store.refusal({ type: 'acquire', holder: { request: 'reader', epoch: 'e9' }, keys: undefined })).toEqual({
      code: 'unknown_request',
      field: 'request',
    });
    expect(store.allocate('a', ['k0'])).toEqual([allocated('a', { pages: [0], generations: [1] })]);
    expect(store.state()).toEqual({ free: 3, writing: 1 });
  });

  test('P11: lookup takes a lease in the same step → the page outlives its request', () => {
    const store = new TestStore();
    store.makeReady('a', ['k']);

    expect(store.acquire('e9/reader', ['k']).reply.found).toEqual([{ key: 'k', page: 0, generation: 1, length: 10 }]);
    expect(store.release('a').reply).toEqual({ existed: 1, freedPages: 0 });

    expect(store.acquire('e9/reader').reply.found).toEqual([{ key: 'k', page: 0, generation: 1, length: 10 }]);
    expect(store.release('e9/reader')).toEqual({
      reply: { existed: 1, freedPages: 1 },
      effects: [leasesEnded('e9/reader', 'released'), pagesFreed(1)],
    });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P11: acquiring twice takes one lease', () => {
    const store = new TestStore();
    store.makeReady('a', ['k']);
    store.acquire('a');
    store.acquire('a', ['k', 'k']);

    expect(store.release('a').reply).toEqual({ existed: 1, freedPages: 1 });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P11: a request can lease more keys than its own', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);
    store.makeReady('b', ['k1']);
    store.acquire('b', ['k0']);
    store.release('a');

    expect(store.acquire('b').reply).toEqual({
      found: [
        { key: 'k1', page: 1, generation: 1, length: 10 },
        { key: 'k0', page: 0, generation: 1, length: 10 },
      ],
      missing: [],
    });
    expect(store.release('b').reply).toEqual({ existed: 2, freedPages: 2 });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P11: a request that is not ready cannot be acquired', () => {
    const store = new TestStore();
    store.allocate('a', ['k']);
    store.commit('a');

    expect(store.refusal({ type: 'acquire', holder: { request: 'a', epoch: 'e1' }, keys: ['k'] })).toEqual({
      code: 'request_active',
      field: 'request',
    });
    expect(store.state()).toEqual({ free: 3, ready: 1 });
  });
});

describe('leases that nobody uses', () => {
  test('P15: a lease that nobody renews ends after leaseMs, and says so', () => {
    const store = new TestStore({ leaseMs: 1000 });
    store.makeReady('a', ['k0']);
    store.makeReady('b', ['k0', 'k1']);
    store.nowMs = 600;
    store.acquire('b');
    store.acquire('e9/reader', ['k1']);

    store.nowMs = 999;
    expect(store.expire()).toEqual([]);
    store.nowMs = 1000;
    expect(store.expire()).toEqual([leasesEnded('a', 'expired')]);
    store.nowMs = 1600;
    expect(store.expire()).toEqual([leasesEnded('b', 'expired'), leasesEnded('e9/reader', 'expired'), pagesFreed(2)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test.each(['released', 'expired'])('P15: leases that were %s → acquire says that they have ended', (how) => {
    const store = new TestStore({ leaseMs: 1000 });
    store.makeReady('a', ['k0']);
    if (how === 'released') store.release('a');
    store.nowMs = 1000;
    store.expire();

    expect(() => store.acquire('a')).toThrow(/^request a has ended: ready \(its leases have ended too: /);
  });

  test('P15: the oldest leases are renewed → those behind them still end in time', () => {
    const store = new TestStore();
    store.makeReady('a', ['k0']);
    store.makeReady('b', ['k1']);
    store.nowMs = 500;
    store.acquire('a');
    store.nowMs = 1000;
    expect(store.expire()).toEqual([leasesEnded('b', 'expired'), pagesFreed(1)]);
    store.nowMs = 1500;
    expect(store.expire()).toEqual([leasesEnded('a', 'expired'), pagesFreed(1)]);
  });

  test('P15: a request that is still arriving does not lose its pages to the lease time', () => {
    const store = new TestStore({ leaseMs: 1000 });
    store.allocate('a', ['k']);

    store.nowMs = 1_000_000;
    expect(store.expire()).toEqual([]);
    store.commit('a');
    store.end('a', 'ready');
    expect(store.expire()).toEqual([]);
    store.nowMs = 1_001_000;
    expect(store.expire()).toEqual([leasesEnded('a', 'expired'), pagesFreed(1)]);
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P15, T12: 10,000 requests are released unread → no page or holder is left', () => {
    const store = new TestStore({ pages: 4, holdersMax: 3 });
    store.makeReady('warm', ['shared']);

    for (let index = 0; index < 10_000; index += 1) {
      const name = `r${index}`;
      store.nowMs = index;
      store.acquire('warm');
      store.makeReady(name, ['shared', `own-${index}`]);
      expect(store.state()).toEqual({ free: 2, ready: 2 });
      expect(store.release(name)).toEqual({
        reply: { existed: 2, freedPages: 1 },
        effects: [leasesEnded(name, 'released'), pagesFreed(1)],
      });
    }

    expect(store.state()).toEqual({ free: 3, ready: 1 });
    expect(store.release('warm').reply).toEqual({ existed: 1, freedPages: 1 });
    expect(store.state()).toEqual({ free: 4 });
  });

  test('P4, T4: writer and joined roll back in any order → each page is freed once', () => {
    const store = new TestStore();
    store.allocate('a', ['k0', 'k1']);
    store.allocate('b', ['k0', 'k1']);

    expect(store.end('a', 'failed')).toEqual([
      handedOver('b', 'a', { positions: [0, 1], pages: [2, 3], generations: [1, 1] }),
    ]);
    expect(store.end('b', 'failed')).toEqual([]);
    expect(store.end('b', 'cancelled')).toEqual([]);
    expect(store.state()).toEqual({ quarantined: 4 });
    expect(store.drained('b')).toEqual([pagesFreed(2)]);
    expect(store.drained('b')).toEqual([]);
    expect(store.state()).toEqual({ free: 2, quarantined: 2 });
    expect(store.drained('a')).toEqual([pagesFreed(2)]);
    expect(store.drained('a')).toEqual([]);
    expect(store.state()).toEqual({ free: 4 });
  });
});
