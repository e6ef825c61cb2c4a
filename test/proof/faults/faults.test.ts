import { describe, expect, test } from 'vitest';
import { FAULT_MS_MAX } from '../../../src/protocol/limits.js';
import { patternOf } from '../../actors/support.js';
import { replayed } from '../../observe/replay/support.js';
import { faultyCluster, heartbeatsOf, keys } from './support.js';

/** 2 s more than three heartbeats of a second. */
const DEFAULT_MS = 5000;

describe('faults of the process', () => {
  test('the fault kill ends the process with SIGKILL', async () => {
    const cluster = await faultyCluster();
    const { epoch } = await cluster.call('decode-0', 'describe', {});
    expect(await cluster.fault('decode-0', 'kill')).toEqual({ v: 2, ok: true, agent: 'decode-0', epoch });
    expect(cluster.done).toEqual(['decode-0 is killed']);
  });

  test('stop, for a time', async () => {
    const cluster = await faultyCluster();
    expect(await cluster.fault('decode-0', 'stop')).toMatchObject({ forMs: DEFAULT_MS });
    expect(await cluster.fault('prefill-0', 'stop', 300)).toMatchObject({ forMs: 300 });
    expect(cluster.done).toEqual(['decode-0 is stopped for 5000 ms', 'prefill-0 is stopped for 300 ms']);
  });

  test('the default is never longer than a fault may last', async () => {
    const cluster = await faultyCluster();
    await cluster.agent('slow', 'decode', { heartbeatMs: 60_000 });
    expect(await cluster.fault('slow', 'stop')).toMatchObject({ forMs: FAULT_MS_MAX });
  });
});

describe('partition', () => {
  test('the agent is silent, is declared dead, and comes back by itself', async () => {
    const cluster = await faultyCluster();
    const { epoch } = await cluster.put('prefill-0', 'r', keys);
    await cluster.ended('r');
    await cluster.call('decode-0', 'release', { request: 'r', epoch });
    const heardMs = heartbeatsOf(cluster, 'prefill-0');
    const beginMs = cluster.clock.now();
    expect(await cluster.fault('prefill-0', 'partition')).toMatchObject({ forMs: DEFAULT_MS });
    await cluster.clock.advance(DEFAULT_MS - 1);
    expect(heardMs).toEqual([]);
    expect((await cluster.status('decode-0')).peers).toEqual([]);
    await cluster.clock.advance(1000);
    expect(heardMs[0]).toBe(beginMs + DEFAULT_MS);
    expect(await cluster.put('prefill-0', 'again', keys)).toMatchObject({ epoch });
    expect(await cluster.ended('again')).toMatchObject({ end: 'ready' });
  });

  test('heal ends it early', async () => {
    const cluster = await faultyCluster();
    const heardMs = heartbeatsOf(cluster, 'prefill-0');
    await cluster.fault('prefill-0', 'partition', 60_000);
    await cluster.clock.advance(2000);
    expect(heardMs).toEqual([]);
    const healMs = cluster.clock.now();
    expect(await cluster.fault('prefill-0', 'heal')).not.toHaveProperty('forMs');
    await cluster.clock.advance(1);
    expect(heardMs[0]).toBe(healMs);
  });

  test('a second order takes the place of the first', async () => {
    const cluster = await faultyCluster();
    const heardMs = heartbeatsOf(cluster, 'prefill-0');
    await cluster.fault('prefill-0', 'partition', 4000);
    await cluster.clock.advance(3000);
    const secondMs = cluster.clock.now();
    await cluster.fault('prefill-0', 'partition', 3000);
    await cluster.clock.advance(5000);
    expect(heardMs[0]).toBe(secondMs + 3000);
  });
});

describe('slow-write', () => {
  test('every write begins half a second later, until it is over', async () => {
    const cluster = await faultyCluster();
    const moved = async (request: string, key: string) => {
      const beganMs = cluster.clock.now();
      await cluster.put('prefill-0', request, [key], { first: keys.indexOf(key) });
      await cluster.ended(request);
      return cluster.clock.now() - beganMs;
    };
    expect(await moved('before', 'k0')).toBeLessThan(500);
    await cluster.fault('prefill-0', 'slow-write', 3000);
    expect(await moved('first', 'k1')).toBeGreaterThanOrEqual(500);
    expect(await moved('second', 'k2')).toBeGreaterThanOrEqual(500);
    await cluster.clock.advance(3000);
    expect(await moved('after', 'k3')).toBeLessThan(500);
  });
});

describe('zombie-writer', () => {
  test('a write comes after its receiver gave it up → rejected, and the bytes are right', async () => {
    const cluster = await faultyCluster();
    expect(await cluster.fault('prefill-0', 'zombie-writer')).toMatchObject({ forMs: DEFAULT_MS });
    await cluster.put('prefill-0', 'a', ['k0', 'k1']);
    await cluster.clock.advance(100);
    const b = await cluster.put('prefill-1', 'b', ['k0', 'k1']);
    expect(await cluster.ended('b')).toMatchObject({ end: 'ready', bytes: 128 });
    expect(await cluster.ended('a')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
    // It is cut off until it has written, and a heartbeat longer.
    await cluster.clock.advance(DEFAULT_MS + 1000);
    expect((await cluster.status('prefill-0')).counters).toMatchObject({ writes_rejected: 1 });
    const acquired = await cluster.call('decode-0', 'acquire', { request: 'b', epoch: b.epoch });
    expect(cluster.pages(acquired)).toEqual(new Map(['k0', 'k1'].map((key) => [key, patternOf(key)])));
    expect(cluster.terminals.map(({ request }) => request).toSorted()).toEqual(['a', 'b']);
    await cluster.put('prefill-0', 'next', ['k2'], { first: 2 });
    expect(await cluster.ended('next')).toMatchObject({ end: 'ready' });
  });

  test('only the next write is held', async () => {
    const cluster = await faultyCluster();
    await cluster.fault('prefill-0', 'zombie-writer');
    await cluster.put('prefill-0', 'held', ['k0']);
    await cluster.clock.advance(100);
    await cluster.fault('prefill-0', 'heal');
    const beganMs = cluster.clock.now();
    await cluster.put('prefill-0', 'next', ['k1'], { first: 1 });
    expect(await cluster.ended('next')).toMatchObject({ end: 'ready' });
    expect(cluster.clock.now() - beganMs).toBeLessThan(100);
    expect(await cluster.ended('held')).toMatchObject({ end: 'ready' });
  });

  test('it waits for a write for a minute', async () => {
    const cluster = await faultyCluster();
    const heardMs = heartbeatsOf(cluster, 'prefill-0');
    await cluster.fault('prefill-0', 'zombie-writer');
    await cluster.clock.advance(FAULT_MS_MAX);
    const beats = heardMs.length;
    await cluster.put('prefill-0', 'r', ['k0']);
    expect(await cluster.ended('r')).toMatchObject({ end: 'ready' });
    await cluster.clock.advance(2000);
    expect(heardMs.length).toBe(beats + 2);
  });

  test('an agent to which it has happened replays: a recording has the effects', async () => {
    const cluster = await faultyCluster();
    await cluster.fault('prefill-0', 'zombie-writer');
    await cluster.put('prefill-0', 'a', ['k0', 'k1']);
    await cluster.ended('a');
    await cluster.clock.advance(DEFAULT_MS + 1000);
    for (const agent of ['prefill-0', 'decode-0']) {
      const { findings } = await replayed(cluster.file(agent));
      expect([agent, findings]).toMatchObject([agent, { divergences: [], violations: [] }]);
    }
    const recorded = cluster.lines.get('prefill-0') ?? [];
    expect(recorded.filter((line) => 'in' in line && line.in === 'status')).toMatchObject([
      { status: 'disconnected' },
      { status: 'connected' },
    ]);
    expect(JSON.stringify(recorded)).not.toContain('kvferry.v2.fault');
  });
});

test.each(['slow-write', 'zombie-writer'] as const)('%s is refused by an agent that writes nothing', async (fault) => {
  const cluster = await faultyCluster();
  await expect(cluster.fault('decode-0', fault)).rejects.toMatchObject({ code: 'role_mismatch', field: 'fault' });
});
