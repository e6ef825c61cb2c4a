/** P22: ranks wait for their turn outside the queue; the ranks of one request in an arena are admitted together. */
import { describe, expect, test } from 'vitest';
import { allocate, allocated, held, holderOf, pagesFreed, queued, TestStore } from './support.js';

const rank = { held: true };

function admit(store: TestStore, ...holders: string[]) {
  return store.run({ type: 'admit', holders: holders.map(holderOf) }).effects;
}

const refused = (holder: string, code: string, message: unknown = expect.any(String)) => ({
  type: 'refused',
  holder: holderOf(holder),
  batch: 0,
  reason: expect.objectContaining({ code, message }),
});

describe('before its turn', () => {
  test('P22: a rank is recorded, and no page is promised to it', () => {
    const store = new TestStore({ pages: 4 });
    expect(store.allocate('e1/x', ['k0', 'k1'], rank)).toEqual([held('e1/x', 2)]);
    expect(store.allocate('e1/x', ['k0', 'k1'], rank)).toEqual([held('e1/x', 2)]);
    expect(store.state()).toEqual({ free: 4 });
    expect(store.allocate('e2/y', ['k2', 'k3', 'k4', 'k5'])).toEqual([
      allocated('e2/y', { pages: [0, 1, 2, 3], generations: [1, 1, 1, 1] }),
    ]);
  });

  test('S6: its batches are checked when they come', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('e1/x', ['k0'], { ...rank, last: false, totalChunks: 2 });
    const again = allocate('e1/x', ['k0'], { ...rank, batch: 1, totalChunks: 2 });
    expect(store.refusal(again)).toEqual({ code: 'invalid_field', field: 'keys[0]' });
  });

  test('P22: a rank that ends before its turn gives back what it never had', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('e1/x', ['k0'], rank);
    expect(store.end('e1/x', 'cancelled')).toEqual([]);
    expect(store.refusal({ type: 'admit', holders: [holderOf('e1/x')] })).toMatchObject({
      code: 'request_ended',
      end: 'cancelled',
    });
    expect(store.state()).toEqual({ free: 4 });
  });
});

describe('its turn', () => {
  test('P22: every batch that waited is placed, and a later one at once', () => {
    const store = new TestStore({ pages: 4 });
    const whole = { ...rank, totalChunks: 3 };
    store.allocate('e1/x', ['k0'], { ...whole, last: false });
    store.allocate('e1/x', ['k1'], { ...whole, last: false, batch: 1 });
    expect(admit(store, 'e1/x')).toEqual([
      allocated('e1/x', { pages: [0], generations: [1] }, { last: false }),
      allocated('e1/x', { pages: [1], generations: [1] }, { last: false, batch: 1 }),
    ]);
    expect(store.allocate('e1/x', ['k2'], { ...whole, batch: 2 })).toEqual([
      allocated('e1/x', { pages: [2], generations: [1] }, { batch: 2 }),
    ]);
    expect(admit(store, 'e1/x')).toEqual([]);
  });

  test('P22: two ranks are admitted together, or neither', () => {
    const store = new TestStore({ pages: 4 });
    store.makeReady('a', ['k0']);
    for (const holder of ['e1/x', 'e2/x']) store.allocate(holder, [`${holder}0`, `${holder}1`], rank);
    expect(admit(store, 'e1/x', 'e2/x')).toEqual([queued('e1/x', 4), queued('e2/x', 4)]);
    expect(store.state()).toEqual({ free: 3, ready: 1, waiting: 1 });
    expect(admit(store, 'e1/x', 'e2/x')).toEqual([]);
    expect(store.allocate('e3/later', ['k9'])).toEqual([queued('e3/later', 1)]);

    expect(store.release('a').effects).toEqual([
      { type: 'leases.ended', holder: holderOf('a'), cause: 'released' },
      pagesFreed(1),
      allocated('e1/x', { pages: [0, 1], generations: [2, 1] }),
      allocated('e2/x', { pages: [2, 3], generations: [1, 1] }),
    ]);
    expect(store.state()).toEqual({ writing: 4, waiting: 1 });
  });

  test('P22: a key that both ranks have is written once', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('e1/x', ['same', 'k1'], rank);
    store.allocate('e2/x', ['same', 'k2'], rank);
    expect(admit(store, 'e1/x', 'e2/x')).toEqual([
      allocated('e1/x', { pages: [0, 1], generations: [1, 1] }),
      allocated('e2/x', { pages: [2], generations: [1], alreadySent: [0], joined: [0] }),
    ]);
    expect(store.state()).toEqual({ free: 1, writing: 3 });
  });

  test('P22: one of two waiting ranks ends → those behind go on, the other never starts', () => {
    const store = new TestStore({ pages: 4 });
    store.makeReady('a', ['k0']);
    for (const holder of ['e1/x', 'e2/x']) store.allocate(holder, [`${holder}0`, `${holder}1`], rank);
    admit(store, 'e1/x', 'e2/x');
    store.allocate('e3/later', ['k9']);
    expect(store.end('e1/x', 'failed')).toEqual([allocated('e3/later', { pages: [1], generations: [1] })]);
    expect(store.refusal({ type: 'admit', holders: ['e1/x', 'e2/x'].map(holderOf) })).toMatchObject({
      code: 'request_ended',
    });
    store.release('a');
    expect(store.allocate('e2/x', ['e2/x0', 'e2/x1'], rank)).toEqual([held('e2/x', 2)]);
    expect(store.state()).toEqual({ free: 3, writing: 1 });
    expect(store.end('e2/x', 'failed')).toEqual([]);
  });

  test('P22: a rank that is not here → refused, and nothing changes', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('e1/x', ['k0'], rank);
    expect(store.refusal({ type: 'admit', holders: ['e1/x', 'e2/x'].map(holderOf) })).toMatchObject({
      code: 'unknown_request',
    });
    expect(admit(store, 'e1/x')).toEqual([allocated('e1/x', { pages: [0], generations: [1] })]);
  });
});

describe('what can never be admitted fails', () => {
  test('P22, S15: ranks that are larger than the arena together', () => {
    const store = new TestStore({ pages: 3 });
    for (const holder of ['e1/x', 'e2/x']) store.allocate(holder, [`${holder}0`, `${holder}1`], rank);
    const message = 'the ranks of the request at this agent have 4 chunks, its arena has 3 pages';
    expect(admit(store, 'e1/x', 'e2/x')).toEqual([refused('e1/x', 'request_too_large', message)]);
    expect(admit(store, 'e1/x', 'e2/x')).toEqual([]);
    expect(store.state()).toEqual({ free: 3 });
  });

  test('P22: a key whose length changed while its rank was held', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('e1/x', ['k0'], rank);
    store.allocate('e2/y', ['k0'], { lengths: [20] });
    expect(admit(store, 'e1/x')).toEqual([refused('e1/x', 'length_mismatch')]);
    expect(store.state()).toEqual({ free: 3, writing: 1 });
  });

  test('P22: a key that two ranks have with different lengths', () => {
    const store = new TestStore({ pages: 4 });
    store.allocate('e1/x', ['k0'], rank);
    store.allocate('e2/x', ['k0'], { ...rank, lengths: [20] });
    expect(admit(store, 'e1/x', 'e2/x')).toEqual([
      allocated('e1/x', { pages: [0], generations: [1] }),
      refused('e2/x', 'length_mismatch'),
    ]);
    expect(store.state()).toEqual({ free: 3, writing: 1 });
  });
});

test('P22: ranks whose chunks are all in the arena pass those that wait', () => {
  const store = new TestStore({ pages: 2 });
  store.makeReady('a', ['k0', 'k1']);
  expect(store.allocate('e3/large', ['k2'])).toEqual([queued('e3/large', 1)]);
  store.allocate('e1/x', ['k0'], rank);
  store.allocate('e2/x', ['k1'], rank);
  expect(admit(store, 'e1/x', 'e2/x')).toEqual([
    allocated('e1/x', { alreadySent: [0] }),
    allocated('e2/x', { alreadySent: [0] }),
  ]);
});
