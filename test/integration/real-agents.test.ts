import { existsSync, readdirSync } from 'node:fs';
import { connect } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { poll } from '../../src/processes/within.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import { HEARTBEAT_MS, missing, PAGE_BYTES, providerMissing, RealCluster, shrink } from './support.js';

/** Time for the agents and the client to reconnect to NATS. */
const RECONNECT_MS = 20_000;
const keys = ['k0', 'k1', 'k2', 'k3'];

describe.skipIf(missing !== undefined)(`real agents${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  describe.each(['same-host', 'tcp'] as const)('over %s', (provider) => {
    test.skipIf(providerMissing(provider) !== undefined)(
      'a request arrives once, intact, and is found; a second one shares it',
      async () => {
        await using cluster = await RealCluster.start();
        await Promise.all([
          cluster.agent('decode-0', 'decode', provider),
          cluster.agent('prefill-0', 'prefill', provider),
          cluster.agent('prefill-1', 'prefill', provider),
        ]);
        await cluster.segment('prefill-0', keys);
        await cluster.segment('prefill-1', keys);
        const first = await cluster.put('prefill-0', 'r1', keys);
        expect(await cluster.ended('r1')).toMatchObject({ end: 'ready', chunks: 4, bytes: 4 * PAGE_BYTES });
        const second = await cluster.put('prefill-1', 'r2', keys);
        expect(await cluster.ended('r2')).toMatchObject({ end: 'ready', chunks: 4, deduplicated: 4, bytes: 0 });
        await cluster.client.release('decode-0', { request: 'r1', epoch: first.epoch });
        const acquired = await cluster.client.acquire('decode-0', { request: 'r2', epoch: second.epoch });
        expect(acquired.keys.toSorted()).toEqual(keys);
        expect(cluster.wrongPages(acquired)).toEqual([]);
        expect(await cluster.client.release('decode-0', { request: 'r2', epoch: second.epoch })).toMatchObject({
          existed: 4,
          freedPages: 4,
        });
        const status = await cluster.client.status('decode-0');
        expect(status.pages).toMatchObject({ total: 16, free: 16 });
        expect(status.peers.map((peer) => peer.provider)).toEqual([provider, provider]);
      },
    );
  });

  test('any NATS client can watch terminal events and ask for the status', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    await cluster.segment('prefill-0', keys);
    const plain = await connect({ servers: cluster.url });
    const events = plain.subscribe('kvferry.v2.event.>', { max: 1 });
    await plain.flush();
    await cluster.put('prefill-0', 'r1', keys);
    for await (const event of events) {
      expect(event.subject).toBe('kvferry.v2.event.decode-0.default.ready');
      expect(event.json()).toMatchObject({ v: 2, request: 'r1', end: 'ready', sender: 'prefill-0', chunks: 4 });
    }
    const status = await plain.request('kvferry.v2.agent.decode-0._all.status', '{"v":2}');
    expect(status.json()).toMatchObject({ ok: true, agent: 'decode-0', role: 'decode', state: 'running' });
    const wrong = await plain.request('kvferry.v2.agent.decode-0._all.status', '{"v":2');
    expect(wrong.json()).toMatchObject({ ok: false, error: { code: 'malformed_json' } });
    await plain.close();
  });

  test('SIGTERM: the agent lets its requests end, leaves, and removes its arena', async () => {
    await using cluster = await RealCluster.start();
    const [decode, prefill] = await Promise.all([
      cluster.agent('decode-0', 'decode', 'same-host', { args: ['--shutdown-timeout-ms', '20000'] }),
      cluster.agent('prefill-0', 'prefill'),
    ]);
    await cluster.segment('prefill-0', keys);
    const { epoch } = await cluster.put('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    expect(await prefill.end('SIGTERM')).toBe(0);
    const { arena } = await cluster.client.describe('decode-0');
    const path = arena?.path ?? '';
    expect(existsSync(path)).toBe(true);
    const stopping = decode.end('SIGTERM');
    await decode.logged('agent draining');
    expect(cluster.wrongPages(await cluster.client.acquire('decode-0', { request: 'r1', epoch }))).toEqual([]);
    await cluster.client.release('decode-0', { request: 'r1', epoch });
    expect(await stopping).toBe(0);
    expect(existsSync(path)).toBe(false);
    await expect(cluster.client.status('decode-0')).rejects.toMatchObject({ code: 'no_responders' });
  });

  test('P14, T9: the sender is killed → its pages are free, the router is notified', async () => {
    await using cluster = await RealCluster.start();
    const [, prefill] = await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    await cluster.segment('prefill-0', keys);
    await cluster.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
    await cluster.statusWhen('decode-0', ({ pages }) => pages?.ready === 2);
    const killedMs = performance.now();
    await prefill.end('SIGKILL');
    expect(await cluster.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
    expect(performance.now() - killedMs).toBeLessThan(HEARTBEAT_MS * 3 + 1000);
    const { pages } = await cluster.statusWhen('decode-0', (status) => status.pages?.free === 16);
    expect(pages).toEqual({ total: 16, free: 16, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 });
  });

  test('P13, T10: the receiver is killed and restarts → a typed error, then it works', async () => {
    await using cluster = await RealCluster.start();
    const [decode] = await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    await cluster.segment('prefill-0', keys);
    const { arena } = await cluster.client.describe('decode-0');
    await cluster.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
    await cluster.statusWhen('decode-0', ({ pages }) => pages?.ready === 2);
    await decode.end('SIGKILL');
    expect(await cluster.ended('r1')).toMatchObject({
      end: 'failed',
      reason: { code: 'receiver_lost' },
      sender: 'prefill-0',
    });
    await cluster.agent('decode-0', 'decode');
    const { epoch } = await cluster.put('prefill-0', 'r2', keys);
    expect(await cluster.ended('r2')).toMatchObject({ end: 'ready' });
    const acquired = await cluster.client.acquire('decode-0', { request: 'r2', epoch });
    expect(acquired.arena.epoch).not.toBe(arena?.epoch);
    expect(cluster.wrongPages(acquired)).toEqual([]);
    // The successor removes the files that the killed process left in shared memory.
    const left = readdirSync('/dev/shm').filter((name) => name.includes(`kvferry-decode-0-${arena?.epoch}`));
    expect(left).toEqual([]);
  });

  test('a segment shrinks under its chunks → a typed failure, and both agents live on', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    const path = await cluster.segment('prefill-0', keys);
    shrink(path, PAGE_BYTES);
    await cluster.put('prefill-0', 'r1', keys);
    expect(await cluster.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'segment_invalid' } });
    const { pages } = await cluster.statusWhen('decode-0', (status) => status.pages?.free === 16);
    expect(pages).toMatchObject({ quarantined: 0, reserved: 0, retained: 0 });
    await cluster.put('prefill-0', 'r2', ['k0']);
    expect(await cluster.ended('r2')).toMatchObject({ end: 'ready' });
  });

  test('P14: NATS restarts: the agents come back, and a request in progress goes on', async () => {
    await using cluster = await RealCluster.start();
    await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    await cluster.segment('prefill-0', keys);
    const common = { totalChunks: 2, timeoutMs: 60_000 };
    const { epoch } = await cluster.put('prefill-0', 'r1', ['k0'], { ...common, last: false });
    await cluster.statusWhen('decode-0', ({ pages }) => pages?.ready === 1);
    await cluster.interruptNats();
    await cluster.restoreNats();
    const source = [{ segment: 'engine', offset: PAGE_BYTES, length: PAGE_BYTES }];
    await poll(RECONNECT_MS, async () => {
      try {
        return await cluster.put('prefill-0', 'r1', ['k1'], { ...common, batch: 1, source });
      } catch (error) {
        if (isKvferryError(error, 'disconnected', 'no_responders')) return undefined;
        throw error;
      }
    });
    expect(await cluster.ended('r1')).toMatchObject({ end: 'ready', chunks: 2 });
    expect(cluster.wrongPages(await cluster.client.acquire('decode-0', { request: 'r1', epoch }))).toEqual([]);
  });
});
