/** A name has one owner: what a second process of the same name does, and the first one. Heartbeats are 1 s apart. */
import { describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { subjects } from '../../src/protocol/subjects.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];

interface Made extends Cluster {
  readonly agents: { readonly decode: Agent; readonly prefill: Agent };
}

async function cluster(options: Partial<AgentOptions> = {}): Promise<Made> {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode', options);
  const prefill = await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return Object.assign(made, { agents: { decode, prefill } });
}

/** How often each request has ended, and how. */
function ends(made: Cluster): string[] {
  return made.terminals.map(({ request, end }) => `${request} ${end}`).sort();
}

describe('P23: a second process of a name that is served', () => {
  test.each(['prefill', 'decode'] as const)('P23: refuses to start, and the first %s agent serves on', async (role) => {
    const made = await cluster();
    const name = `${role}-0`;
    await expect(made.agent(name, role)).rejects.toMatchObject({
      code: 'agent_id_taken',
      field: 'agentId',
      message: expect.stringMatching(`the name ${name} is taken: its process with epoch 0+[12] runs`),
    });
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    await made.clock.advance(5000);
    expect(ends(made)).toEqual(['r1 ready']);
  });

  test('the first one does not answer → it starts after three heartbeats', async () => {
    const made = await cluster();
    const { prefill } = made.agents;
    made.halt(prefill);
    const startedMs = made.clock.now();
    const second = await made.agent('prefill-0', 'prefill');
    expect(made.clock.now() - startedMs).toBeGreaterThanOrEqual(3000);
    // The first one goes on: the younger process serves.
    made.goOn(prefill);
    const { fenced } = await made.settle(prefill.ended);
    expect(fenced).toMatchObject({ code: 'agent_id_taken', message: expect.stringContaining(second.epoch) });
    expect(second.state).toBe('running');
  });
});

describe('P23: two processes that could not see each other', () => {
  /** Two prefill agents of one name, which start `apartMs` apart while they do not see each other. */
  async function twins(apartMs: number): Promise<{ made: Cluster; first: Agent; second: Agent }> {
    const made = await cluster();
    const first = made.agents.prefill;
    await made.clock.advance(apartMs);
    made.network.fate = ({ to, from }) => ({ copies: to === 'prefill-0' && from === to ? 0 : 1, delayMs: 0 });
    const second = await made.agent('prefill-0', 'prefill');
    made.network.fate = () => ({ copies: 1, delayMs: 0 });
    return { made, first, second };
  }

  test('P23: the younger one serves, and the other fences itself and ends', async () => {
    const { made, first, second } = await twins(10_000);
    expect((await made.settle(first.ended)).fenced).toMatchObject({ code: 'agent_id_taken' });
    expect(second.state).toBe('running');
    expect(await made.status('prefill-0')).toMatchObject({ epoch: second.epoch, counters: { twins_noticed: 1 } });
  });

  test('requests of the fenced one end, once, and say why', async () => {
    const made = await cluster();
    const held = made.fabrics.holdWrites();
    await made.put('prefill-0', 'r1', ['k0']);
    await made.clock.until(() => held.held > 0);
    made.halt(made.agents.prefill);
    const second = made.agent('prefill-0', 'prefill');
    await made.clock.advance(100);
    made.goOn(made.agents.prefill);
    await expect(second).rejects.toMatchObject({ code: 'agent_id_taken' });
    held.release();
    await made.ended('r1');
    expect(ends(made)).toEqual(['r1 ready']);
  });

  test('a heartbeat that nobody stands for changes nothing', async () => {
    const made = await cluster();
    const about = { v: 1, agent: 'prefill-0', epoch: 'ffffffffffffffff', role: 'prefill', heartbeatMs: 1000 };
    const beat = { ...about, number: 1, ageMs: 0, alone: true, draining: false, leaving: false };
    made.client.publish('kvferry.v1.heartbeat.prefill-0', JSON.stringify(beat));
    await made.clock.advance(5000);
    expect(made.agents.prefill.state).toBe('running');
  });
});

describe('P23: a process that keeps a name which another one serves', () => {
  const epoch = 'ffffffffffffffff';
  const about = { v: PROTOCOL_VERSION, agent: 'prefill-0', epoch, role: 'prefill', heartbeatMs: 1000, alone: false };

  /** Sends heartbeats of the process, which is an hour old, for that long. */
  async function beats(made: Made, seconds: number): Promise<void> {
    for (let number = 1; number <= seconds; number += 1) {
      const beat = { ...about, number, ageMs: 3_600_000, draining: false, leaving: false };
      made.client.publish(subjects.heartbeat('prefill-0'), JSON.stringify(beat));
      await made.clock.advance(1000);
    }
  }

  test('P23: for three heartbeats → the agent that serves is not ready until it ends', async () => {
    const made = await cluster();
    const { prefill } = made.agents;
    const alive = JSON.stringify({ v: PROTOCOL_VERSION, ok: true });
    made.client.subscribe(subjects.peer('prefill-0', epoch, 'ping'), ({ respond }) => respond(alive));
    const seen: boolean[] = [];
    for (const seconds of [3, 2]) {
      await beats(made, seconds);
      seen.push(prefill.hasLastingTwin);
    }
    await made.clock.advance(5000);
    seen.push(prefill.hasLastingTwin);
    expect(seen).toEqual([false, true, false]);
    expect(prefill.state).toBe('running');
  });

  test('its heartbeats are forged → the agent stays ready', async () => {
    const made = await cluster();
    await beats(made, 6);
    expect(made.agents.prefill.hasLastingTwin).toBe(false);
  });
});

describe('T22: an agent is rolled: the old one drains while the new one starts', () => {
  test('T22: every put is executed once, or refused and not executed', async () => {
    const made = await cluster();
    const { prefill } = made.agents;
    const held = made.fabrics.holdWrites();
    await made.put('prefill-0', 'old', ['k0']);
    await made.clock.until(() => held.held > 0);
    void prefill.stop();
    await expect(made.put('prefill-0', 'late', ['k1'])).rejects.toMatchObject({ code: 'agent_draining' });
    const fresh = await made.agent('prefill-0', 'prefill');
    expect([prefill.state, fresh.state]).toEqual(['draining', 'running']);
    await made.segment('prefill-0', 'engine', keys);
    for (const [index, key] of ['k2', 'k3', 'k4'].entries()) {
      expect(await made.put('prefill-0', `new-${index}`, [key], { first: 2 + index })).toMatchObject({
        epoch: fresh.epoch,
      });
    }
    // The old one may read the engine's memory. Engines learn that from the new one.
    const isAlone = async () => (await made.call('prefill-0', 'sources', {})).alone;
    await made.clock.advance(5000);
    expect(await isAlone()).toBe(false);
    // The old one still finishes what it had begun.
    held.release();
    await made.ended('old');
    await made.settle(prefill.ended);
    await made.clock.advance(5000);
    expect(await isAlone()).toBe(true);
    expect(ends(made)).toEqual(['new-0 ready', 'new-1 ready', 'new-2 ready', 'old ready']);
    const { peers } = await made.status('decode-0');
    expect(peers.map(({ epoch, state }) => `${epoch} ${state}`)).toEqual([`${fresh.epoch} connected and alive`]);
  });

  test('T22: the new one beats more often → not alone between two beats of the old one', async () => {
    const made = await cluster();
    const held = made.fabrics.holdWrites();
    await made.put('prefill-0', 'old', ['k0']);
    await made.clock.until(() => held.held > 0);
    void made.agents.prefill.stop();
    await made.agent('prefill-0', 'prefill', { heartbeatMs: 100 });
    for (let step = 0; step < 10; step += 1) {
      await made.clock.advance(400);
      expect((await made.call('prefill-0', 'sources', {})).alone).toBe(false);
    }
    held.release();
    await made.settle(made.agents.prefill.ended);
  });

  test('T17, T22: the old one is stopped and reads its puts later → they are refused', async () => {
    const made = await cluster();
    const { prefill } = made.agents;
    const session = '00000000000000f1';
    await made.call('prefill-0', 'open', { session, holder: 'e', silentMs: 60_000 });
    made.halt(prefill);
    const orders = ['k0', 'k1'].map((key, order) => made.put('prefill-0', key, [key], { session, order }));
    const answers = Promise.allSettled(orders);
    const fresh = await made.agent('prefill-0', 'prefill');
    await made.clock.advance(5000);
    made.goOn(prefill);
    expect((await made.settle(prefill.ended)).fenced).toMatchObject({ code: 'agent_id_taken' });
    await made.clock.advance(10_000);
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([ends(made), fresh.state]).toEqual([[], 'running']);
  });

  test('P23: a process that was stopped → it is not alone until it knows', async () => {
    const made = await cluster();
    const isAlone = async () => (await made.call('prefill-0', 'sources', {})).alone;
    await made.clock.advance(5000);
    const before = await isAlone();
    made.halt(made.agents.prefill);
    await made.clock.advance(2500);
    made.goOn(made.agents.prefill);
    const after = await isAlone();
    await made.clock.advance(5000);
    expect([before, after, await isAlone()]).toEqual([true, false, true]);
  });

  test('a decode agent keeps its name until engines have released its pages', async () => {
    const made = await cluster();
    const { decode } = made.agents;
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    void decode.stop();
    const starting = made.agent('decode-0', 'decode');
    await made.clock.advance(3000);
    const acquired = await made.call('decode-0', 'acquire', { request: 'r1', epoch });
    expect(acquired.keys).toEqual(['k0', 'k1']);
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    const fresh = await made.settle(starting);
    await made.put('prefill-0', 'r2', ['k2'], { first: 2 });
    await made.ended('r2');
    expect([ends(made), fresh.state]).toEqual([['r1 ready', 'r2 ready'], 'running']);
  });

  test('the old one is silent for a moment after a long drain → it keeps its name', async () => {
    const made = await cluster({ shutdownTimeoutMs: 60_000 });
    const { decode } = made.agents;
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    void decode.stop();
    const starting = made.agent('decode-0', 'decode', { shutdownTimeoutMs: 60_000 });
    await made.clock.advance(5000);
    made.halt(decode);
    await made.clock.advance(1500);
    made.goOn(decode);
    await made.clock.advance(5000);
    expect((await made.status('decode-0')).epoch).toBe(decode.epoch);
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    expect((await made.settle(starting)).state).toBe('running');
  });

  test('the old one wakes after it lost its name → only the new one answers', async () => {
    const made = await cluster({ shutdownTimeoutMs: 60_000 });
    const { decode } = made.agents;
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    void decode.stop();
    made.halt(decode);
    const fresh = await made.agent('decode-0', 'decode');
    made.goOn(decode);
    await made.clock.advance(2000);
    expect([decode.state, (await made.status('decode-0')).epoch]).toEqual(['draining', fresh.epoch]);
  });

  test('P7: the engines release nothing → the old one gives its name up when it stops', async () => {
    const made = await cluster();
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    void made.agents.decode.stop();
    const fresh = await made.agent('decode-0', 'decode');
    expect([fresh.state, made.agents.decode.state]).toEqual(['running', 'stopped']);
  });

  test('P7: the old one drains for too long → the new one does not start, and says so', async () => {
    const made = await cluster({ shutdownTimeoutMs: 60_000 });
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    void made.agents.decode.stop();
    const starting = made.agent('decode-0', 'decode', { shutdownTimeoutMs: 0 });
    await expect(starting).rejects.toMatchObject({
      code: 'agent_id_taken',
      message: expect.stringContaining('still drains'),
    });
  });
});
