import { describe, expect, test } from 'vitest';
import { type Cluster, defaults, patternOf, useCluster } from './support.js';

const clusters = useCluster();

const empty = { total: 8, free: 8, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 };

/** One decode agent and two prefill agents, each with an engine that holds the chunks k0 … k7. */
async function cluster(arenaPages = 8): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: arenaPages } });
  for (const agent of ['prefill-0', 'prefill-1']) {
    await made.agent(agent, 'prefill');
    await made.segment(agent, 'engine', ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7']);
  }
  return made;
}

/** What a decode engine does with a ready request: reads, checks every byte, releases. */
async function consume(made: Cluster, request: string, epoch: string, keys: readonly string[]): Promise<void> {
  const acquired = await made.call('decode-0', 'acquire', { request, epoch });
  expect(acquired.missing).toEqual([]);
  expect(made.pages(acquired)).toEqual(new Map(keys.map((key) => [key, patternOf(key)])));
  await made.call('decode-0', 'release', { request, epoch });
}

describe('one request', () => {
  test('its bytes are found, read and released', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1', 'k2']);
    expect(await made.ended('r1')).toMatchObject({
      request: 'r1',
      epoch,
      end: 'ready',
      sender: 'prefill-0',
      receiver: 'decode-0',
      chunks: 3,
      deduplicated: 0,
      joined: 0,
      bytes: 192,
    });
    await consume(made, 'r1', epoch, ['k0', 'k1', 'k2']);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('S5: a chunk is delivered → its source memory is given back at once, and once', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    expect(made.released).toEqual([{ v: 2, request: 'r1', epoch, batch: 0, positions: [0, 1] }]);
    const { segments } = await made.status('prefill-0');
    expect(segments.find(({ segment }) => segment === 'engine')).toMatchObject({ chunksInUse: 0 });
  });

  test('several batches, the last one empty (P16, T14): exactly one ready event', async () => {
    const made = await cluster();
    const common = { last: false, totalChunks: 4 };
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1'], common);
    await made.put('prefill-0', 'r1', ['k2', 'k3'], { ...common, batch: 1, first: 2 });
    await made.clock.advance(5000);
    expect(made.terminals).toEqual([]);
    await made.put('prefill-0', 'r1', [], { batch: 2, totalChunks: 4 });
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', chunks: 4 });
    await consume(made, 'r1', epoch, ['k0', 'k1', 'k2', 'k3']);
    await made.clock.advance(20_000);
    expect(made.terminals).toHaveLength(1);
  });

  test('a prompt without a single chunk is ready at once (P16)', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', []);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', chunks: 0 });
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('staging pages are lent, filled, moved and come back', async () => {
    const made = await cluster();
    const staged = await made.call('prefill-0', 'stage', { holder: 'engine-a', pages: 2 });
    const file = made.fabrics.files.get(staged.path) as Uint8Array;
    file.set(patternOf('k0'), staged.offsets[0]);
    file.set(patternOf('k1'), staged.offsets[1]);
    const source = staged.offsets.map((offset) => ({ segment: staged.segment, offset, length: 64, count: 1 }));
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1'], { source });
    expect((await made.status('prefill-0')).staging).toEqual({ total: 4, free: 2, lent: 0, inUse: 2 });
    await made.ended('r1');
    expect((await made.status('prefill-0')).staging).toEqual({ total: 4, free: 4, lent: 0, inUse: 0 });
    await consume(made, 'r1', epoch, ['k0', 'k1']);
    await made.call('prefill-0', 'stage', { holder: 'engine-a', pages: 3 });
    expect(await made.call('prefill-0', 'unstage', { holder: 'engine-a' })).toMatchObject({ returned: 3 });
  });
});

describe('an agent that is both', () => {
  test('sends to itself, and to another', async () => {
    const made = clusters.create();
    for (const agent of ['decode-0', 'decode-1']) {
      await made.agent(agent, 'both');
      await made.segment(agent, 'engine', ['k0', 'k1']);
    }
    const own = await made.put('decode-0', 'own', ['k0', 'k1']);
    expect(await made.ended('own')).toMatchObject({ end: 'ready', sender: 'decode-0', receiver: 'decode-0' });
    await made.put('decode-0', 'other', ['k0', 'k1'], { receiver: 'decode-1' });
    expect(await made.ended('other')).toMatchObject({ end: 'ready', sender: 'decode-0', receiver: 'decode-1' });
    await made.clock.advance(10_000);
    await consume(made, 'own', own.epoch, ['k0', 'k1']);
    expect((await made.status('decode-0')).pages).toEqual(empty);
    expect((await made.status('decode-0')).peers.map(({ state }) => state)).toEqual([
      'connected and alive',
      'connected and alive',
      'connected and alive',
    ]);
  });
});

describe('shared prefixes', () => {
  test('S1, S13, S14: a request whose chunks are all there moves no bytes and is ready', async () => {
    const made = await cluster();
    const first = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    const second = await made.put('prefill-1', 'r2', ['k0', 'k1']);
    expect(await made.ended('r2')).toMatchObject({ end: 'ready', chunks: 2, deduplicated: 2, joined: 0, bytes: 0 });
    await made.call('decode-0', 'release', { request: 'r1', epoch: first.epoch });
    await consume(made, 'r2', second.epoch, ['k0', 'k1']);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('P1, T1: a joined write is held → the request is not ready before its commit', async () => {
    const made = await cluster();
    const writes = made.fabrics.holdWrites();
    const a = await made.put('prefill-0', 'a', ['k0', 'k1']);
    await made.clock.until(() => writes.held > 0);
    const b = await made.put('prefill-1', 'b', ['k0', 'k1']);
    await made.clock.advance(1000);
    expect(made.terminals).toEqual([]);
    expect((await made.status('prefill-1')).requests).toMatchObject([{ request: 'b', state: 'running.open' }]);
    writes.release();
    expect(await made.ended('a')).toMatchObject({ end: 'ready', joined: 0, bytes: 128 });
    expect(await made.ended('b')).toMatchObject({ end: 'ready', joined: 2, bytes: 0 });
    await consume(made, 'b', b.epoch, ['k0', 'k1']);
    await consume(made, 'a', a.epoch, ['k0', 'k1']);
    expect((await made.status('decode-0')).pages).toEqual(empty);
    expect(made.released.filter(({ request }) => request === 'b')).toEqual([
      { v: 2, request: 'b', epoch: b.epoch, batch: 0, positions: [0, 1] },
    ]);
  });

  test('S8, S10: a key that another request holds stays readable after a release', async () => {
    const made = await cluster();
    const a = await made.put('prefill-0', 'a', ['k0']);
    await made.ended('a');
    const b = await made.put('prefill-1', 'b', ['k0']);
    await made.ended('b');
    expect(await made.call('decode-0', 'release', { request: 'a', epoch: a.epoch })).toMatchObject({
      existed: 1,
      freedPages: 0,
    });
    await consume(made, 'b', b.epoch, ['k0']);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('P8, T8: requests queue for a full arena, and all become ready', async () => {
    const made = await cluster(4);
    const order: string[] = [];
    made.client.subscribe('kvferry.v2.event.decode-0.default.ready', ({ body }) => {
      const { request, epoch } = JSON.parse(body) as { request: string; epoch: string };
      order.push(request);
      made.client.publish('kvferry.v2.agent.decode-0.default.release', JSON.stringify({ v: 2, request, epoch }));
    });
    await made.put('prefill-0', 'large', ['k0', 'k1', 'k2', 'k3']);
    await made.put('prefill-1', 'next', ['k4', 'k5', 'k6'], { first: 4 });
    await made.put('prefill-0', 'small', ['k7'], { first: 7 });
    for (const request of ['large', 'next', 'small']) expect(await made.ended(request)).toMatchObject({ end: 'ready' });
    await made.clock.advance(1000);
    expect(order[0]).toBe('large');
    expect(order.toSorted()).toEqual(['large', 'next', 'small']);
    expect((await made.status('decode-0')).pages).toEqual({ ...empty, total: 4, free: 4 });
  });
});

describe('reading', () => {
  test('P10, T11: a key that is not there is a typed miss', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    expect(await made.call('decode-0', 'acquire', { request: 'r1', epoch, keys: ['k0', 'nowhere'] })).toMatchObject({
      keys: ['k0'],
      missing: ['nowhere'],
    });
  });

  test('P11: a reader of its own looks up and leases in one step', async () => {
    const made = await cluster();
    const a = await made.put('prefill-0', 'a', ['k0']);
    await made.ended('a');
    const reader = { request: 'reader', epoch: 'e'.repeat(16) };
    expect(await made.call('decode-0', 'acquire', { ...reader, keys: ['k0', 'k1'] })).toMatchObject({
      keys: ['k0'],
      missing: ['k1'],
    });
    await made.call('decode-0', 'release', { request: 'a', epoch: a.epoch });
    expect((await made.status('decode-0')).pages).toMatchObject({ ready: 1 });
    expect(await made.call('decode-0', 'release', reader)).toMatchObject({ existed: 1, freedPages: 1 });
  });

  test('S16: a release reports the pages it freed, not those that are left', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1', 'k2']);
    await made.ended('r1');
    const release = { request: 'r1', epoch };
    expect(await made.call('decode-0', 'release', { ...release, keys: ['k0'] })).toMatchObject({ freedPages: 1 });
    expect(await made.call('decode-0', 'release', release)).toMatchObject({ existed: 2, freedPages: 2 });
    expect((await made.status('decode-0')).counters).toMatchObject({ pages_freed: 3 });
  });

  test('P15: leases that nobody renews expire, and say so', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    await made.clock.advance(defaults.leaseMs + defaults.sweepIntervalMs);
    const status = await made.status('decode-0');
    expect(status.pages).toEqual(empty);
    expect(status.counters).toMatchObject({ leases_expired: 1 });
  });
});
