/** NATS is in trouble, and no agent is hurt: no request ends that would not have ended, and none twice. Heartbeats: 1 s. */
import { describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { Envelope, Fate } from '../../src/proof/simulation/memory-control.js';
import { subjects } from '../../src/protocol/subjects.js';
import { type Cluster, defaults, PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];

interface Made extends Cluster {
  readonly decode: Agent;
}

/** The arena has room for two chunks. */
async function cluster(): Promise<Made> {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: 2 } });
  for (const agent of ['prefill-0', 'prefill-1']) {
    await made.agent(agent, 'prefill');
    await made.segment(agent, 'engine', keys);
  }
  return Object.assign(made, { decode });
}

/** Three requests: `held` has all pages, `waits` waits for them, and `writes` is in the middle of its write. */
async function busy(made: Made): Promise<{ finish(): Promise<void> }> {
  const first = await made.put('prefill-0', 'held', ['k0']);
  await made.ended('held');
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-1'));
  await made.put('prefill-1', 'writes', ['k1'], { first: 1, timeoutMs: 120_000 });
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-0', 'waits', ['k2'], { first: 2, timeoutMs: 120_000 });
  await made.clock.advance(500);
  return {
    finish: async () => {
      writes.release();
      await made.call('decode-0', 'release', { request: 'held', epoch: first.epoch });
      await made.ended('waits');
      await made.ended('writes');
      await made.clock.advance(10_000);
      expect(made.terminals.map(({ request, end }) => `${request} ${end}`).sort()).toEqual([
        'held ready',
        'waits ready',
        'writes ready',
      ]);
    },
  };
}

describe('all requests become ready, once', () => {
  test.each([500, 1100, 1600, 2400, 3000, 3300, 4000, 8000, 20_000])(
    'P21, T20: a NATS server stands still for %i ms with its connections open',
    async (stallMs) => {
      const made = await cluster();
      const work = await busy(made);
      const endMs = made.clock.now() + stallMs;
      // Afterwards the messages of one agent arrive a little later than those of the others.
      const late = (from: string) => ({ 'decode-0': 150, 'prefill-0': 80 })[from] ?? 0;
      made.network.fate = ({ from }: Envelope): Fate => {
        const leftMs = endMs - made.clock.now();
        return { copies: 1, delayMs: leftMs > 0 ? leftMs + late(from) : 0 };
      };
      await made.clock.advance(stallMs + 200);
      await work.finish();
    },
  );

  test.each([300, 1000, 1200, 2000])('P21, T20: a decode agent is not connected to NATS for %i ms', async (awayMs) => {
    const made = await cluster();
    const work = await busy(made);
    await made.cutOff(made.decode, awayMs);
    await work.finish();
  });

  test.each([300, 700, 1100, 1700])(
    'P21, T20: no message crosses a route between NATS servers for %i ms',
    async (cutMs) => {
      const made = await cluster();
      const work = await busy(made);
      const isAcross = ({ from, to }: Envelope) => (from === 'decode-0') !== (to === 'decode-0');
      made.network.fate = (envelope) => ({ copies: isAcross(envelope) ? 0 : 1, delayMs: 0 });
      await made.clock.advance(cutMs);
      made.network.fate = () => ({ copies: 1, delayMs: 0 });
      await work.finish();
    },
  );
});

test('P21: a put names a decode agent that is connecting to NATS again → it is found', async () => {
  const made = await cluster();
  const about = { v: 2, request: 'r1', receiver: 'decode-0', batch: 0, last: true, totalChunks: 1, timeoutMs: 30_000 };
  const source = [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: 1 }];
  const body = JSON.stringify({ ...about, keys: ['k0'], source });
  const answer = made.client.request(subjects.operation('prefill-0', 'default', 'put'), body, { timeoutMs: 10_000 });
  await made.cutOff(made.decode, 600);
  expect(JSON.parse(await made.settle(answer))).toMatchObject({ ok: true });
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
});

test('P21: no agent has that name → the put is refused after a heartbeat', async () => {
  const made = await cluster();
  const startMs = made.clock.now();
  await expect(made.put('prefill-0', 'r1', ['k0'], { receiver: 'decode-9' })).rejects.toMatchObject({
    code: 'unknown_receiver',
    message: 'no agent decode-9 answers: check its name and that it runs',
  });
  expect(made.clock.now() - startMs).toBe(1000);
});

test('P30: an agent receives the heartbeats of those it works with, and of no others', async () => {
  const made = await cluster();
  await made.agent('decode-1', 'decode');
  const received = new Map<string, Set<string>>();
  made.network.fate = ({ subject, to, from }) => {
    if (subject.includes('.heartbeat.')) received.set(to, (received.get(to) ?? new Set()).add(from));
    return { copies: 1, delayMs: 0 };
  };
  await made.put('prefill-0', 'r1', ['k0']);
  await made.ended('r1');
  await made.clock.advance(5000);
  expect(Object.fromEntries([...received].map(([to, from]) => [to, [...from].sort()]))).toEqual({
    'prefill-0': ['decode-0', 'prefill-0'],
    'prefill-1': ['prefill-1'],
    'decode-0': ['decode-0', 'prefill-0'],
    'decode-1': ['decode-1'],
  });
});
