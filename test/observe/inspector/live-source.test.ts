import { afterEach, describe, expect, test } from 'vitest';
import type { ClusterView } from '../../../src/observe/inspector/feed.js';
import { LiveSource } from '../../../src/observe/inspector/live/live-source.js';
import { SimulatedAgent } from '../../../src/proof/simulation/simulated-agent.js';
import { SkewedClock } from '../../../src/proof/simulation/skewed-clock.js';
import { type Cluster, defaults, useCluster } from '../../actors/support.js';

const clusters = useCluster();
const ORIGIN_MS = 1_700_000_000_000;
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'];
const LINGER_MS = 10_000;

const sources: LiveSource[] = [];
afterEach(async () => {
  for (const source of sources.splice(0)) await source.close();
});

async function cluster(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  for (const agent of ['prefill-0', 'prefill-1']) {
    await made.agent(agent, 'prefill');
    await made.segment(agent, 'engine', KEYS);
  }
  return made;
}

function inspect(made: Cluster) {
  const control = made.network.connect('inspector');
  const name = 'nats://simulated';
  const source = new LiveSource({ control, clock: made.clock, originMs: ORIGIN_MS, name, allowFaults: false });
  sources.push(source);
  return { source, control, nowMs: () => made.clock.now() + ORIGIN_MS };
}

/** What the inspector sends. */
function asked(made: Cluster): string[] {
  const subjects: string[] = [];
  made.network.fate = ({ from, subject, kind }) => {
    if (from === 'inspector' && kind === 'message') subjects.push(subject);
    return { copies: 1, delayMs: 0 };
  };
  return subjects;
}

const newest = (source: LiveSource) => source.history.cluster() as ClusterView;
const agentsOf = (source: LiveSource) => newest(source).agents.map(({ agent, epoch }) => `${agent} ${epoch}`);

describe('what it asks', () => {
  test('no page looks → the source asks nothing', async () => {
    const made = await cluster();
    const subjects = asked(made);
    inspect(made);
    await made.clock.advance(60_000);
    expect(subjects).toEqual([]);
  });

  test('nothing any more, a while after the last one has stopped looking', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    const [first, second] = [source.watch(), source.watch()];
    const subjects = asked(made);
    await made.clock.advance(1000);
    first.close();
    first.close();
    await made.clock.advance(2 * LINGER_MS);
    expect(subjects.length).toBeGreaterThan(100);
    second.close();
    await made.clock.advance(LINGER_MS + 1000);
    const before = subjects.length;
    await made.clock.advance(60_000);
    expect(subjects.length).toBe(before);
  });

  test('each agent a second: its journal five times, its status and its pages twice', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    source.watch();
    await made.clock.advance(10_000);
    const subjects = asked(made);
    await made.clock.advance(10_000);
    const counts: Record<string, number> = {};
    for (const subject of subjects) {
      const name = subject.replace('kvferry.v2.', '');
      counts[name] = (counts[name] ?? 0) + 1;
    }
    expect(counts).toEqual({
      'agent.decode-0._all.inspect': 20,
      'agent.decode-0._all.journal': 50,
      'agent.decode-0._all.status': 20,
      'agent.prefill-0._all.journal': 50,
      'agent.prefill-0._all.status': 20,
      'agent.prefill-1._all.journal': 50,
      'agent.prefill-1._all.status': 20,
      // Once every two seconds; three agents listen.
      discover: 15,
    });
  });
});

describe('what it shows', () => {
  test('the ranks of one request, each with its number and the end of the whole', async () => {
    const made = await cluster();
    await made.agent('decode-1', 'decode');
    const { source } = inspect(made);
    source.watch();
    await made.settle(source.ready());
    const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` }));
    for (const [rank, { sender, receiver }] of members.entries()) {
      await made.settle(made.put(sender, 'r1', KEYS.slice(0, 2), { receiver, ranks: { rank, members } }));
    }
    await made.clock.advance(1000);
    const shown = source.history.requests({ text: 'r1' }, 10).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
    expect(shown).toMatchObject([
      { ...members[0], rank: 0, rankCount: 2, end: 'ready' },
      { ...members[1], rank: 1, rankCount: 2, end: 'ready' },
    ]);
  });

  test('every agent, as it says it is', async () => {
    const made = await cluster();
    const { source, nowMs } = inspect(made);
    source.watch();
    await made.settle(source.ready());
    expect(newest(source)).toMatchObject({
      timeMs: nowMs(),
      source: { kind: 'live', name: 'nats://simulated', state: 'connected', oneIn: 1, missed: 0, faultsAllowed: false },
      agents: [
        { agent: 'decode-0', pages: 'f8', description: { role: 'decode' }, status: { requests: [], state: 'running' } },
        { agent: 'prefill-0', description: { role: 'prefill' } },
        { agent: 'prefill-1', description: { role: 'prefill' } },
      ],
    });
    expect(newest(source).agents[1]).not.toHaveProperty('pages');
    expect(newest(source).agents[1]).not.toHaveProperty('silentMs');
  });

  test('how fast they work', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    source.watch();
    await made.clock.advance(1000);
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    const rates: Record<string, number[]> = {};
    source.history.listen({
      cluster: ({ agents }) => {
        for (const { agent, rates: now } of agents) {
          const before = rates[agent] ?? [0, 0, 0];
          rates[agent] = [now.bytesPerS, now.chunksPerS, now.requestsPerS].map((rate, n) =>
            Math.max(rate, before[n] ?? 0),
          );
        }
      },
    });
    await made.clock.advance(2000);
    // Two chunks of 64 bytes and one request, in the half second between two looks.
    expect(rates).toEqual({ 'decode-0': [0, 4, 2], 'prefill-0': [256, 0, 2], 'prefill-1': [0, 0, 0] });
  });

  test('a request, put together from the journals of both sides', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    source.watch();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.ended('r1');
    await made.clock.advance(1);
    await made.put('prefill-1', 'r2', ['k0', 'k1', 'k2']);
    await made.ended('r2');
    await made.clock.advance(1000);
    const r1 = source.history.request(epoch, 'r1');
    expect(r1).toEqual({
      request: 'r1',
      epoch,
      sender: 'prefill-0',
      receiver: 'decode-0',
      startedMs: expect.any(Number),
      changedMs: expect.any(Number),
      endedMs: expect.any(Number),
      // Its leases are held until they are released.
      ...{ states: { receiver: 'ready' }, end: 'ready' },
      batches: 1,
      chunks: 2,
      deduplicated: 0,
      joined: 0,
      handedOver: 0,
    });
    expect(source.history.requests({}, 10)).toMatchObject([
      { request: 'r2', sender: 'prefill-1', end: 'ready', chunks: 3, deduplicated: 2 },
      { request: 'r1' },
    ]);
    const entries = source.history.entries({ epoch, request: 'r1' }, 100);
    expect(entries.map(({ agent }) => agent)).toContain('prefill-0');
    // A put names no epoch: it is the agent's own.
    expect(entries.filter(({ entry }) => entry.kind === 'message' && entry.operation === 'put')).toHaveLength(1);
  });

  test('why one has failed', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    source.watch();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0'], { last: false, timeoutMs: 1000 });
    await made.ended('r1');
    await made.clock.advance(1000);
    expect(source.history.request(epoch, 'r1')).toMatchObject({
      ...{ end: 'expired', states: {}, reason: { code: 'deadline_exceeded' } },
    });
  });

  test('a source starts → it shows what agents remember from before, once it is ready', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    const move = async (request: string) => {
      const { epoch } = await made.put('prefill-0', request, ['k0']);
      await made.ended(request);
      return epoch;
    };
    const epoch = await move('r1');
    const watch = source.watch();
    await made.settle(source.ready());
    watch.close();
    await made.clock.advance(2 * LINGER_MS);
    await move('r2');
    source.watch();
    await made.settle(source.ready());
    expect(source.history.request(epoch, 'r2')).toMatchObject({ end: 'ready' });
    expect(source.history.request(epoch, 'r1')).toMatchObject({
      end: 'ready',
      sender: 'prefill-0',
      receiver: 'decode-0',
    });
  });

  test('live actors with all that they say, and those of the past by their states', async () => {
    const made = await cluster();
    const { source, nowMs } = inspect(made);
    source.watch();
    await made.clock.advance(1000);
    const { epoch } = await made.put('prefill-0', 'r1', ['k0'], { last: false });
    await made.clock.advance(1000);
    const thenMs = nowMs();
    const live = await made.settle(source.actors({ request: 'r1', machine: 'ingest' }));
    const ingest = {
      ...{ agent: 'decode-0', machine: 'ingest', actor: `ingest ${epoch}/r1`, request: 'r1', epoch, peer: 'prefill-0' },
      state: 'running.receiving',
      paths: ['ingest.running', 'ingest.running.receiving'],
    };
    expect(live).toMatchObject([{ ...ingest, waiting: { gate: 'sender' }, context: { request: 'r1', batches: 1 } }]);
    await made.clock.advance(1);
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    await made.ended('r1');
    await made.clock.advance(1000);
    expect(await made.settle(source.actors({ request: 'r1' }))).toEqual([]);
    const past = await source.actors({ request: 'r1', machine: 'ingest' }, thenMs);
    expect(past).toEqual([{ ...ingest, agentEpoch: live[0]?.agentEpoch, ageMs: 1000, inStateMs: 1000, context: {} }]);
  });

  test('actors of whose start nobody remembers anything, in the past too', async () => {
    const made = await cluster();
    const { source, nowMs } = inspect(made);
    source.watch();
    await made.clock.advance(1000);
    const agents = await source.actors({ machine: 'agent' }, nowMs());
    expect(agents.map(({ actor, state }) => `${actor} ${state}`).sort()).toEqual([
      'agent decode-0 running',
      'agent prefill-0 running',
      'agent prefill-1 running',
    ]);
  });

  test('what agents explain', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    source.watch();
    await made.put('prefill-0', 'r1', ['k0'], { last: false });
    await made.clock.advance(1000);
    const about = { about: 'request', name: 'r1' } as const;
    const explained = await made.settle(source.explain(about));
    expect(explained.map(({ agent, side }) => `${agent} ${side}`)).toEqual(['decode-0 receiver', 'prefill-0 sender']);
    expect(await made.settle(source.explain({ ...about, agent: 'prefill-0' }))).toMatchObject([{ agent: 'prefill-0' }]);
    expect(await made.settle(source.explain({ about: 'page', name: '0' }))).toMatchObject([{ about: 'page' }]);
    await expect(source.explain({ ...about, agent: 'nobody' })).rejects.toMatchObject({ code: 'no_responders' });
    expect(() => source.explain({ about: 'page', name: '1x' })).toThrow(
      expect.objectContaining({ code: 'invalid_field' }),
    );
  });
});

describe('time', () => {
  test("an agent's clock is brought to ours, also when it runs faster", async () => {
    const made = clusters.create();
    const place = { clock: new SkewedClock(made.clock, 1.001), network: made.network, fabrics: made.fabrics };
    const odd = new SimulatedAgent(place, { ...defaults, agent: 'odd', role: 'prefill' }, '00000000000000ff');
    await made.settle(odd.agent.start());
    const { source, nowMs } = inspect(made);
    // Every message takes 5 ms.
    made.network.fate = () => ({ copies: 1, delayMs: 5 });
    await made.clock.advance(86_400_000);
    source.watch();
    await made.clock.advance(60_000);
    const beganMs = nowMs();
    await made.segment('odd', 'engine', KEYS);
    await made.clock.advance(1000);
    const [attached] = source.history.entries({ agent: 'odd', fromMs: beganMs }, 10);
    expect(attached?.entry).toMatchObject({ kind: 'message', operation: 'attach' });
    // It is a minute and a half off by then; what is left is what it gains between two questions.
    expect(attached?.timeMs).toBeCloseTo(beganMs + 5, 0);
    await made.settle(odd.agent.stop());
  });
});

test('what is asked has a deadline: it is ready although an agent does not answer', async () => {
  const made = clusters.create();
  const agent = await made.agent('prefill-0', 'prefill');
  const { source, nowMs } = inspect(made);
  source.watch();
  await made.clock.advance(260);
  const frozen = made.freeze(agent, 10_000);
  const beganMs = nowMs();
  await made.settle(source.ready());
  expect(nowMs() - beganMs).toBeLessThanOrEqual(1500);
  await frozen;
});

describe('no entry comes twice', () => {
  const entriesOf = (source: LiveSource) =>
    source.history.entries({ agent: 'prefill-0' }, 1000).map(({ entry }) => entry.n);

  test('after a long time in which nobody has looked', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    const watch = source.watch();
    await made.clock.advance(1000);
    watch.close();
    await made.clock.advance(600_000);
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    source.watch();
    await made.clock.advance(1000);
    expect(newest(source).agents.map(({ silentMs }) => silentMs)).toEqual([undefined, undefined, undefined]);
    const numbers = entriesOf(source);
    expect(numbers).toEqual(numbers.map((_, n) => n));
    expect(numbers.length).toBeGreaterThan(10);
  });

  test('by an agent that was stopped for so long that it was given up, and goes on', async () => {
    const made = clusters.create();
    const agent = await made.agent('prefill-0', 'prefill');
    const { source } = inspect(made);
    source.watch();
    await made.clock.advance(1000);
    await made.freeze(agent, 90_000);
    expect(agentsOf(source)).toEqual([]);
    await made.clock.advance(5000);
    expect(agentsOf(source)).toEqual([`prefill-0 ${agent.epoch}`]);
    const numbers = entriesOf(source);
    expect(numbers).toEqual(numbers.map((_, n) => n));
    expect(newest(source).source.missed).toBe(0);
  });
});

test('what an agent had forgotten before the first look is not missed', async () => {
  const made = clusters.create();
  await made.agent('prefill-0', 'prefill', { journalEntries: 4 });
  for (let n = 0; n < 10; n += 1) await made.segment('prefill-0', `engine-${n}`, KEYS);
  const { source } = inspect(made);
  source.watch();
  await made.clock.advance(2000);
  expect(source.history.entries({}, 100)).toHaveLength(4);
  expect(newest(source).source.missed).toBe(0);
});

describe('agents that go', () => {
  test('a silent agent is shown as it was, with its silence; after a minute no more', async () => {
    const made = clusters.create();
    const agent = await made.agent('prefill-0', 'prefill');
    const { source } = inspect(made);
    source.watch();
    await made.clock.advance(2000);
    made.kill(agent);
    await made.clock.advance(10_000);
    const [view] = newest(source).agents;
    expect(view).toMatchObject({ agent: 'prefill-0', status: { state: 'running' } });
    expect(view?.silentMs).toBeGreaterThan(9000);
    await made.clock.advance(60_000);
    expect(agentsOf(source)).toEqual([]);
  });

  test('one that was started again takes the place of the former, whose actors are gone', async () => {
    const made = await cluster();
    const { source, nowMs } = inspect(made);
    source.watch();
    const before = await made.agent('other', 'prefill');
    await made.segment('other', 'engine', KEYS);
    await made.clock.advance(3000);
    await made.put('other', 'r1', ['k0'], { last: false });
    await made.clock.advance(1000);
    const thenMs = nowMs();
    await made.clock.advance(1);
    made.kill(before);
    const after = await made.agent('other', 'prefill');
    await made.clock.advance(3000);
    expect(agentsOf(source).filter((name) => name.startsWith('other'))).toEqual([`other ${after.epoch}`]);
    const epochs = async (atMs: number) => {
      const rows = await source.actors({ agent: 'other' }, atMs);
      return [...new Set(rows.map(({ agentEpoch }) => agentEpoch))];
    };
    expect(await epochs(thenMs)).toEqual([before.epoch]);
    expect(await epochs(nowMs())).toEqual([after.epoch]);
  });

  test('while NATS is away it says so, and then goes on', async () => {
    const made = await cluster();
    const { source, control } = inspect(made);
    source.watch();
    await made.clock.advance(1000);
    control.setConnected(false);
    await made.clock.advance(5000);
    expect(newest(source).source.state).toBe('disconnected');
    expect(newest(source).agents.map(({ silentMs }) => (silentMs ?? 0) > 4000)).toEqual([true, true, true]);
    control.setConnected(true);
    await made.clock.advance(1000);
    expect(newest(source).source.state).toBe('connected');
    expect(newest(source).agents.every(({ silentMs }) => silentMs === undefined)).toBe(true);
  });

  test('before an agent has had time to answer, it says that it is looking', async () => {
    const made = await cluster();
    const { source } = inspect(made);
    source.watch();
    await made.clock.advance(100);
    expect(newest(source)).toMatchObject({ agents: [], source: { state: 'connecting' } });
  });
});

test('more happens than can be fetched → only some requests are shown, and those whole', async () => {
  const made = clusters.create();
  const journalEntries = 16_384;
  await made.agent('decode-0', 'decode', { journalEntries });
  await made.agent('prefill-0', 'prefill', { journalEntries });
  await made.segment('prefill-0', 'engine', KEYS);
  const { source } = inspect(made);
  source.watch();
  await made.clock.advance(1000);
  for (let n = 0; n < 600; n += 1) {
    const { epoch } = await made.put('prefill-0', `r${n}`, ['k0']);
    await made.ended(`r${n}`);
    await made.call('decode-0', 'release', { request: `r${n}`, epoch });
    // About a thousand of them in a second.
    if (n % 10 === 0) await made.clock.advance(10);
  }
  await made.clock.advance(400);
  const { oneIn, missed } = newest(source).source;
  expect({ isSampled: oneIn > 1, missed }).toEqual({ isSampled: true, missed: 0 });
  const shown = source.history.requests({}, 1000);
  expect(shown.length).toBeLessThan(600);
  expect(shown.filter(({ end, sender, receiver }) => end !== 'ready' || !sender || !receiver)).toEqual([]);
});
