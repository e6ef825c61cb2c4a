/** T26: a provider that does not work, where another one does. */
import { describe, expect, test } from 'vitest';
import type { MemorySlice, SliceFate } from '../../src/proof/simulation/memory-fabric/slice.js';
import { type Cluster, defaults, PAGE_BYTES, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];
const connectTimeoutMs = 3000;
const delivered: SliceFate = { kind: 'deliver', delayMs: 0 };

/** Both agents have three providers. */
async function cluster(): Promise<Cluster> {
  const made = clusters.create();
  made.fabrics.providers = ['verbs', 'efa', 'tcp'];
  const providers = made.fabrics.providers;
  await made.agent('decode-0', 'decode', { providers, arena: { ...defaults.arena, pages: 16 } });
  await made.agent('prefill-0', 'prefill', { providers, connectTimeoutMs });
  await made.segment('prefill-0', 'engine', keys);
  return made;
}

function failing(...providers: string[]): (slice: MemorySlice) => SliceFate {
  return ({ provider }) => (providers.includes(provider) ? { kind: 'fail', code: 'fabric_error' } : delivered);
}

async function connectionOf(made: Cluster): Promise<object> {
  const { peers } = await made.status('prefill-0');
  return peers.map(({ provider, fallback }) => ({ provider, fallback }))[0] as object;
}

const reason = 'a write failed: the write was made to fail';

describe('P29, T26: a provider does not write', () => {
  test('P29, T26: the first write fails → it is repeated over the next provider', async () => {
    const made = await cluster();
    made.fabrics.fate = failing('verbs');
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', bytes: 128 });
    const acquired = await made.call('decode-0', 'acquire', { request: 'r1', epoch });
    expect(made.pages(acquired)).toEqual(new Map(['k0', 'k1'].map((key) => [key, patternOf(key)])));
    expect(made.fabrics.revoked).toEqual([expect.stringMatching(/^verbs-/)]);
    expect(await connectionOf(made)).toEqual({ provider: 'efa', fallback: [`verbs: ${reason}`] });
    expect((await made.status('prefill-0')).counters).toMatchObject({ writes_repeated: 1, provider_fallbacks: 1 });
    expect(made.released).toMatchObject([{ request: 'r1', positions: [0, 1] }]);
  });

  test('T26: many writes on it fail at once → none of their requests fails', async () => {
    const made = await cluster();
    made.fabrics.fate = failing('verbs', 'efa');
    const requests = keys.map((key, first) => made.put('prefill-0', key, [key], { first }));
    await Promise.all(requests);
    for (const key of keys) expect(await made.ended(key)).toMatchObject({ end: 'ready', bytes: 64 });
    const fallback = [`verbs: ${reason}`, `efa: ${reason}`];
    expect(await connectionOf(made)).toEqual({ provider: 'tcp', fallback });
  });

  test('P5, T26: other writes are under way on it → repeated too, none lands late', async () => {
    const made = await cluster();
    const held = made.fabrics.holdWrites(({ provider, sourceOffset }) => provider === 'verbs' && sourceOffset === 0);
    made.fabrics.fate = failing('verbs');
    await made.put('prefill-0', 'a', ['k0']);
    await made.clock.until(() => held.held === 1);
    const landed: [string, boolean][] = [];
    made.fabrics.landed = ({ provider }, accepted) => void landed.push([provider, accepted]);
    await made.put('prefill-0', 'b', ['k1'], { first: 1 });
    expect(await made.ended('b')).toMatchObject({ end: 'ready' });
    expect(await made.ended('a')).toMatchObject({ end: 'ready', bytes: 64 });
    held.release();
    await made.clock.advance(100);
    expect(landed.toSorted()).toEqual([
      ['efa', true],
      ['efa', true],
      ['verbs', false],
    ]);
  });

  test('P5: cancelled before its write is repeated → its page waits for the key', async () => {
    const made = await cluster();
    const held = made.fabrics.holdWrites(({ provider, sourceOffset }) => provider === 'verbs' && sourceOffset === 0);
    made.fabrics.fate = failing('verbs');
    await made.put('prefill-0', 'a', ['k0']);
    await made.clock.until(() => held.held === 1);
    const revocations = made.fabrics.holdRevocations();
    await made.put('prefill-0', 'b', ['k1'], { first: 1 });
    await made.clock.advance(50);
    await made.call('prefill-0', 'cancel', { request: 'a' });
    await made.clock.advance(100);
    expect(await made.ended('a')).toMatchObject({ end: 'cancelled' });
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 1 });
    revocations.release();
    expect(await made.ended('b')).toMatchObject({ end: 'ready' });
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 0 });
  });

  test('T26: a write that failed for its own reason ends with its provider → it fails', async () => {
    const made = await cluster();
    const held = made.fabrics.holdWrites(({ sourceOffset }) => sourceOffset === 2 * PAGE_BYTES);
    made.fabrics.fate = ({ provider, sourceOffset }) => {
      if (sourceOffset === 0) return { kind: 'fail', code: 'segment_invalid' };
      return provider === 'verbs' ? { kind: 'fail', code: 'fabric_error' } : delivered;
    };
    const source = [0, 2].map((chunk) => ({ segment: 'engine', offset: chunk * PAGE_BYTES, length: PAGE_BYTES }));
    await made.put('prefill-0', 'a', ['k0', 'k2'], { source });
    await made.clock.until(() => held.held === 1);
    await made.put('prefill-0', 'b', ['k1'], { first: 1 });
    expect(await made.ended('b')).toMatchObject({ end: 'ready', bytes: 64 });
    expect(await made.ended('a')).toMatchObject({ end: 'failed', reason: { code: 'segment_invalid' } });
    expect((await made.status('prefill-0')).counters).toMatchObject({ writes_repeated: 1 });
  });

  test('P5: a cancelled write ends with its provider → its request ends at once', async () => {
    const made = await cluster();
    const held = made.fabrics.holdWrites(({ provider, sourceOffset }) => provider === 'verbs' && sourceOffset === 0);
    made.fabrics.fate = failing('verbs');
    await made.put('prefill-0', 'a', ['k0']);
    await made.clock.until(() => held.held === 1);
    await made.call('prefill-0', 'cancel', { request: 'a' });
    await made.put('prefill-0', 'b', ['k1'], { first: 1 });
    expect(await made.ended('b')).toMatchObject({ end: 'ready' });
    expect(await made.ended('a')).toMatchObject({ end: 'cancelled' });
    await made.clock.advance(100);
    const { counters, requests } = await made.status('prefill-0');
    expect({ repeated: counters['writes_repeated'], open: requests }).toEqual({ repeated: 1, open: [] });
  });

  test('P2: a chunk that was handed over is being written → it is not repeated', async () => {
    const made = await cluster();
    const { providers } = made.fabrics;
    await made.agent('prefill-1', 'prefill', { providers, connectTimeoutMs });
    await made.segment('prefill-1', 'engine', keys);
    made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
    made.fabrics.fate = ({ from, provider }) =>
      from.startsWith('prefill-1') && provider === 'verbs' ? { kind: 'fail', code: 'fabric_error' } : delivered;
    await made.put('prefill-0', 'a', ['k0']);
    await made.clock.advance(100);
    await made.put('prefill-1', 'b', ['k0']);
    await made.clock.advance(100);
    await made.call('prefill-0', 'cancel', { request: 'a' });
    expect(await made.ended('b')).toMatchObject({ end: 'failed', reason: { code: 'fabric_error' } });
    const { counters } = await made.status('prefill-1');
    expect([counters['chunks_taken_over'], counters['writes_repeated']]).toEqual([1, undefined]);
  });

  test('T26: a connection breaks before it has delivered a byte → the next is taken', async () => {
    const made = await cluster();
    made.fabrics.fate = ({ provider }) => (provider === 'verbs' ? { kind: 'break', landsAfterMs: 50 } : delivered);
    const landed: [string, boolean][] = [];
    made.fabrics.landed = ({ provider }, accepted) => void landed.push([provider, accepted]);
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', bytes: 64 });
    await made.clock.advance(100);
    expect(landed).toEqual([
      ['efa', true],
      ['verbs', false],
    ]);
    const fallback = ['verbs: a write failed: the connection broke'];
    expect(await connectionOf(made)).toEqual({ provider: 'efa', fallback });
  });

  test('T26: a connection breaks that has delivered bytes → its provider connects again', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    made.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
    await made.put('prefill-0', 'r2', ['k1'], { first: 1 });
    expect(await made.ended('r2')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
    await made.clock.advance(100);
    expect(await connectionOf(made)).toEqual({ provider: 'verbs', fallback: [] });
  });

  test('T26: a write fails that has delivered bytes → its provider is not blamed', async () => {
    const made = await cluster();
    made.fabrics.fate = ({ sourceOffset }) =>
      sourceOffset === PAGE_BYTES ? { kind: 'fail', code: 'fabric_error' } : delivered;
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'fabric_error' } });
    await made.clock.advance(100);
    expect(await connectionOf(made)).toEqual({ provider: 'verbs', fallback: [] });
    expect((await made.status('prefill-0')).counters['writes_repeated']).toBeUndefined();
  });

  test('T26: a write fails that may still land → its provider is not blamed', async () => {
    const made = await cluster();
    made.fabrics.failNextWrite({ code: 'fabric_error', message: 'no answer', drained: false });
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'fabric_error' } });
    await made.clock.advance(100);
    expect(await connectionOf(made)).toEqual({ provider: 'verbs', fallback: [] });
  });

  test('T26: no provider writes → the request fails with the reason of the last', async () => {
    const made = await cluster();
    made.fabrics.fate = failing('verbs', 'efa', 'tcp');
    await made.put('prefill-0', 'r1', ['k0']);
    const reason = { code: 'fabric_error', message: 'the write was made to fail' };
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason });
    expect((await made.status('prefill-0')).counters).toMatchObject({ writes_repeated: 2 });
    await made.clock.advance(1000);
    expect((await made.status('decode-0')).pages).toMatchObject({ free: 16 });
  });

  test('T26: a write fails after another was delivered → passed over as well', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    made.fabrics.failNextWrite({ code: 'fabric_error', message: 'no memory for it' });
    await made.put('prefill-0', 'r2', ['k1'], { first: 1 });
    expect(await made.ended('r2')).toMatchObject({ end: 'ready' });
    expect(await connectionOf(made)).toEqual({
      provider: 'efa',
      fallback: ['verbs: a write failed: no memory for it'],
    });
  });
});

describe('encryption is required', () => {
  async function sender(providers: Cluster['fabrics']['providers']): Promise<Cluster> {
    const made = await cluster();
    await made.agent('prefill-1', 'prefill', { providers, encryption: 'required' });
    await made.segment('prefill-1', 'engine', keys);
    await made.put('prefill-1', 'r1', ['k0']);
    return made;
  }

  test('better providers cannot encrypt → tcp is used, and is no fallback', async () => {
    const made = await sender(['verbs', 'efa', 'tcp']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    const { peers, counters } = await made.status('prefill-1');
    expect(peers).toMatchObject([{ provider: 'tcp', fallback: [] }]);
    expect(counters['provider_fallbacks']).toBeUndefined();
    expect((await made.status('decode-0')).peers).toMatchObject([{ provider: 'tcp' }]);
  });

  test('tcp does not work → no other provider is tried, and the reasons are given', async () => {
    const made = await cluster();
    made.fabrics.fate = failing('tcp');
    await made.agent('prefill-1', 'prefill', { providers: ['verbs', 'tcp'], encryption: 'required' });
    await made.segment('prefill-1', 'engine', keys);
    await made.put('prefill-1', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'fabric_error' } });
    expect(made.fabrics.revoked).toEqual([expect.stringMatching(/^tcp-/)]);
  });

  test('nothing is left with this receiver → connection_failed names the setting', async () => {
    const made = await sender(['verbs', 'same-host']);
    expect((await made.ended('r1')).reason).toEqual({
      code: 'connection_failed',
      message:
        'cannot connect to agent decode-0: every provider failed: ' +
        'verbs: it cannot encrypt, as --tcp-encryption required demands; use tcp; ' +
        'same-host: agent decode-0 offers only verbs (in memory), efa (in memory), tcp (in memory)',
    });
    expect((await made.status('decode-0')).peers).toEqual([]);
  });
});

describe('T26: a provider does not connect', () => {
  const unreached = (made: Cluster, ...providers: string[]) => {
    made.fabrics.reachable = (_from, _to, provider) => !providers.includes(provider);
  };

  test('T26: a provider leads nowhere → the next one gets its share of the time', async () => {
    const made = await cluster();
    unreached(made, 'verbs', 'efa');
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    // Of 3000 ms for three providers: 1000 ms each.
    expect(made.clock.now()).toBe(2000);
    const { provider, fallback } = (await connectionOf(made)) as { provider: string; fallback: string[] };
    expect([provider, fallback]).toEqual(['tcp', [expect.stringMatching(/^verbs: /), expect.stringMatching(/^efa: /)]]);
  });

  test('T26: the connection breaks → a provider that failed is passed over for a minute', async () => {
    const made = await cluster();
    unreached(made, 'verbs', 'efa');
    const connected = async (request: string, first: number) => {
      const startMs = made.clock.now();
      made.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
      await made.put('prefill-0', `${request}-breaks`, ['k0']);
      expect(await made.ended(`${request}-breaks`)).toMatchObject({ end: 'failed' });
      await made.put('prefill-0', request, [keys[first] as string], { first });
      expect(await made.ended(request)).toMatchObject({ end: 'ready' });
      return made.clock.now() - startMs;
    };
    expect(await connected('r1', 1)).toBe(2000);
    expect(await connected('r2', 2)).toBe(0);
    await made.clock.advance(60_000);
    unreached(made);
    expect(await connected('r3', 3)).toBe(0);
    expect(await connectionOf(made)).toEqual({ provider: 'verbs', fallback: [] });
  });

  test('T26: cut off from NATS while a provider leads nowhere → one attempt goes on', async () => {
    const made = await cluster();
    const sender = await made.agent('prefill-1', 'prefill', {
      providers: made.fabrics.providers,
      connectTimeoutMs: 30_000,
    });
    await made.segment('prefill-1', 'engine', keys);
    unreached(made, 'verbs');
    await made.put('prefill-1', 'r1', ['k0'], { timeoutMs: 60_000 });
    await made.clock.advance(1000);
    await made.cutOff(sender, 6000);
    unreached(made);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    await made.clock.advance(20_000);
    await made.put('prefill-1', 'r2', ['k1'], { first: 1 });
    expect(await made.ended('r2')).toMatchObject({ end: 'ready' });
    const { peers } = await made.status('prefill-1');
    expect(peers).toMatchObject([{ provider: 'verbs', fallback: [] }]);
    expect((await made.status('decode-0')).counters).toMatchObject({ grants_revoked: 1 });
  });

  test('T26: only a provider that failed is left → it is tried again at once', async () => {
    const made = await cluster();
    unreached(made, 'efa', 'tcp');
    made.fabrics.failNextWrite({ code: 'fabric_error', message: 'no memory for it' });
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    expect(await connectionOf(made)).toEqual({ provider: 'verbs', fallback: [] });
  });
});
