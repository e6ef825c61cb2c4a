import { describe, expect, test } from 'vitest';
import type { ClusterView, EntryView, RequestView } from '../../../src/observe/inspector/feed.js';
import { History } from '../../../src/observe/inspector/history/history.js';
import type { JournalEntry, MessageEntry, StateEntry, StoreEntry } from '../../../src/protocol/observation.js';

const SENDER_EPOCH = '00000000000000aa';
const RECEIVER_EPOCH = '00000000000000bb';
const about = { request: 'r1', epoch: SENDER_EPOCH };

function view(agent: 'p' | 'd', timeMs: number, entry: JournalEntry): EntryView {
  return { agent, agentEpoch: agent === 'p' ? SENDER_EPOCH : RECEIVER_EPOCH, timeMs, entry };
}

function state(agent: 'p' | 'd', timeMs: number, to: string, more: Partial<StateEntry> = {}): EntryView {
  const machine = agent === 'p' ? 'request' : 'ingest';
  const actor = `${machine} ${SENDER_EPOCH}/${more.request ?? 'r1'}`;
  const base = { n: 0, atMs: timeMs, kind: 'state', machine, actor, ...about, event: 'x', to, done: false } as const;
  return view(agent, timeMs, { ...base, ...more });
}

function store(timeMs: number, action: StoreEntry['action'], more: Partial<StoreEntry> = {}): EntryView {
  return view('d', timeMs, { n: 0, atMs: timeMs, kind: 'store', action, ...about, chunks: 1, keys: [], ...more });
}

function message(agent: 'p' | 'd', timeMs: number, operation: string, more: Partial<MessageEntry> = {}): EntryView {
  const base = { n: 0, atMs: timeMs, kind: 'message', direction: 'out', operation, ...about } as const;
  return view(agent, timeMs, { ...base, ...more });
}

function cluster(timeMs: number, agents: number): ClusterView {
  const source = { kind: 'live', name: 'x', state: 'connected', fromMs: 0, toMs: 0, oneIn: 1, missed: 0 } as const;
  return { timeMs, source: { ...source, faultsAllowed: false }, agents: new Array(agents).fill({}) };
}

/** From before until after the request. */
const life: readonly EntryView[] = [
  state('p', 10, 'running.open', { peer: 'd' }),
  state('d', 12, 'running.waiting', { peer: 'p' }),
  store(14, 'allocated', { batch: 0, chunks: 3, keys: ['ka', 'kb', 'kc'] }),
  store(14, 'joined', { batch: 1, chunks: 2, keys: ['kd', 'ke'] }),
  store(14, 'deduplicated', { batch: 1, chunks: 4 }),
  state('d', 14, 'running.receiving'),
  store(16, 'handed-over', { chunks: 1 }),
  state('d', 18, 'ready'),
  store(18, 'ended', { chunks: 9, detail: 'ready' }),
  message('d', 18, 'event.ready'),
  state('p', 20, 'ended', { done: true }),
];

describe('requests', () => {
  test('are put together from what both sides say, in whichever order it comes', () => {
    const whole: RequestView = {
      ...{ ...about, sender: 'p', receiver: 'd', startedMs: 10, changedMs: 20, states: { receiver: 'ready' } },
      end: 'ready',
      endedMs: 18,
      batches: 2,
      chunks: 9,
      deduplicated: 4,
      joined: 2,
      handedOver: 1,
    };
    for (const order of [life, [...life].sort((a, b) => (a.agent < b.agent ? -1 : 1))]) {
      const history = new History();
      history.addEntries(order);
      expect(history.request(SENDER_EPOCH, 'r1')).toEqual(whole);
    }
  });

  test('look as they did then', () => {
    const history = new History();
    history.addEntries(life);
    expect(history.request(SENDER_EPOCH, 'r1', 9)).toBeUndefined();
    expect(history.request(SENDER_EPOCH, 'r1', 13)).toMatchObject({
      ...{ states: { sender: 'running.open', receiver: 'running.waiting' }, chunks: 0, changedMs: 12 },
    });
    expect(history.request(SENDER_EPOCH, 'r1', 13)).not.toHaveProperty('end');
    expect(history.request(SENDER_EPOCH, 'r1', 15)).toMatchObject({ chunks: 9, handedOver: 0 });
  });

  test('end as it was announced, with the reason that their machine had', () => {
    const reason = { code: 'sender_lost', message: 'p is gone' } as const;
    const history = new History();
    history.addEntries([
      state('d', 1, 'running.receiving'),
      store(2, 'ended', { detail: 'failed: p is gone' }),
      state('d', 2, 'ended', { done: true, reason }),
    ]);
    expect(history.request(SENDER_EPOCH, 'r1')).toMatchObject({ end: 'failed', reason, states: {} });
    history.addEntries([message('d', 3, 'event.cancelled')]);
    expect(history.request(SENDER_EPOCH, 'r1')).toMatchObject({ end: 'cancelled' });
  });

  test('readers that only lease pages are none', () => {
    const history = new History();
    history.addEntries([
      store(1, 'acquired', { request: 'reader' }),
      message('d', 2, 'acquire', { request: 'reader' }),
    ]);
    expect(history.requests({}, 10)).toEqual([]);
  });

  test('are found by part of id or key, agent, state, end or reason; newest first', () => {
    const history = new History();
    history.addEntries([
      ...life,
      state('p', 30, 'running.open', { request: 'other' }),
      state('d', 40, 'ended', {
        request: 'third',
        epoch: '00000000000000cc',
        done: true,
        reason: { code: 'deadline_exceeded', message: 'late' },
      }),
      message('d', 40, 'event.expired', { request: 'third', epoch: '00000000000000cc' }),
    ]);
    const found = (query: object, limit = 10) => history.requests(query, limit).map(({ request }) => request);
    expect(found({})).toEqual(['third', 'other', 'r1']);
    expect(found({}, 2)).toEqual(['third', 'other']);
    expect(found({ text: 'th' })).toEqual(['third', 'other']);
    expect(found({ text: 'kd' })).toEqual(['r1']);
    expect(found({ agent: 'p' })).toEqual(['other', 'r1']);
    expect(found({ state: 'running.open' })).toEqual(['other']);
    expect(found({ state: 'ready' })).toEqual(['r1']);
    expect(found({ reason: 'deadline' })).toEqual(['third']);
    expect(found({ agent: 'p', text: 'kd', state: 'expired' })).toEqual([]);
  });

  test('that are not followed any more are forgotten, unless their end is known', () => {
    const history = new History();
    // Of these names, one in two is followed.
    const names = Array.from({ length: 16 }, (_, n) => `n${n}`);
    history.addEntries(names.map((request) => state('p', 1, 'running.open', { request })));
    history.addEntries(names.map((request) => message('d', 2, 'event.ready', { request })).slice(0, 8));
    history.sampled(2, 3);
    const open = history.requests({ state: 'running.open' }, 100).filter(({ end }) => end === undefined);
    expect(open.length).toBeGreaterThan(0);
    expect(open.length).toBeLessThan(8);
    expect(history.requests({ state: 'ready' }, 100)).toHaveLength(8);
    expect(history.actors(4)).toHaveLength(history.actors(4).filter(({ request }) => request !== undefined).length);
    expect(history.requests({}, 100, 2)).toHaveLength(16);
  });
});

describe('what there is no more room for', () => {
  test('is still known by what has become of it', () => {
    const [all, few] = [new History(), new History({ happeningsMax: 4 })];
    for (const history of [all, few]) history.addEntries(life);
    expect(few.entries({}, 100)).toEqual(life.slice(-4));
    for (const atMs of [18, 19, 25]) {
      expect(few.request(SENDER_EPOCH, 'r1', atMs)).toEqual(all.request(SENDER_EPOCH, 'r1', atMs));
      expect(few.actors(atMs)).toEqual(all.actors(atMs));
    }
    expect(few.fromMs).toBe(18);
  });
});

describe('actors', () => {
  test('are in the states that they were in then', () => {
    const history = new History();
    history.addEntries(life);
    const states = (atMs: number) =>
      history.actors(atMs).map(({ machine, state: now, ageMs }) => [machine, now, ageMs]);
    expect(states(5)).toEqual([]);
    expect(states(13)).toEqual([
      ['request', 'running.open', 3],
      ['ingest', 'running.waiting', 1],
    ]);
    expect(states(19)).toEqual([
      ['request', 'running.open', 9],
      ['ingest', 'ready', 7],
    ]);
    expect(states(21)).toEqual([['ingest', 'ready', 9]]);
  });

  test('of a process that is gone are gone', () => {
    const history = new History();
    history.addEntries(life);
    history.gone('d', RECEIVER_EPOCH, 30);
    expect(history.actors(29)).toHaveLength(1);
    expect(history.actors(30)).toEqual([]);
    expect(history.request(SENDER_EPOCH, 'r1')).toMatchObject({ states: {} });
  });

  test('an agent is found again after a gap in its journal → its actors are there', () => {
    const history = new History();
    const row = {
      agent: 'd',
      agentEpoch: RECEIVER_EPOCH,
      machine: 'agent',
      actor: 'agent d',
      state: 'running',
    } as const;
    const rows = [{ ...row, paths: [], ageMs: 50, inStateMs: 40, context: {} }];
    history.found(rows, 100);
    history.gone('d', RECEIVER_EPOCH, 200);
    history.found(rows, 210);
    expect([60, 100, 200, 210].map((atMs) => history.actors(atMs).length)).toEqual([1, 1, 1, 1]);
  });

  test('that an agent was found with are there since they came into their state', () => {
    const history = new History();
    const row = {
      agent: 'd',
      agentEpoch: RECEIVER_EPOCH,
      machine: 'agent',
      actor: 'agent d',
      state: 'running',
    } as const;
    history.found([{ ...row, paths: [], ageMs: 50, inStateMs: 40, context: { secret: 1 } }], 100);
    expect(history.actors(59)).toEqual([]);
    expect(history.actors(100)).toEqual([{ ...row, paths: ['agent.running'], ageMs: 50, inStateMs: 40, context: {} }]);
  });
});

describe('views of the cluster', () => {
  test('are kept one a second, and looked up by time', () => {
    const history = new History();
    for (let timeMs = 0; timeMs <= 3000; timeMs += 500) history.addCluster(cluster(timeMs, 1));
    const at = (atMs?: number) => history.cluster(atMs)?.timeMs;
    expect([at(-1), at(0), at(999), at(1000), at(2700), at(3000), at(9000), at()]).toEqual([
      ...[undefined, 0, 0, 1000, 2000, 3000, 3000, 3000],
    ]);
  });

  test('of a large cluster are kept for a shorter time', () => {
    const history = new History();
    for (let second = 0; second < 100; second += 1) history.addCluster(cluster(second * 1000, 500));
    expect(history.fromMs).toBe(60_000);
  });
});

test('entries are found by agent, actor, request and time: the newest, in time order', () => {
  const history = new History();
  history.addEntries([...life].reverse());
  const times = (query: object, limit = 100) => history.entries(query, limit).map(({ timeMs }) => timeMs);
  expect(times({})).toEqual(life.map(({ timeMs }) => timeMs));
  expect(times({}, 2)).toEqual([18, 20]);
  expect(times({ agent: 'p' })).toEqual([10, 20]);
  expect(times({ actor: `ingest ${SENDER_EPOCH}/r1` })).toEqual([12, 14, 18]);
  expect(times({ fromMs: 13, toMs: 16 })).toEqual([14, 14, 14, 14, 16]);
  expect(times({ request: 'r2' })).toEqual([]);
});

test('a listener receives new data until it unsubscribes', () => {
  const history = new History();
  const heard: unknown[] = [];
  const stop = history.listen({
    cluster: ({ timeMs }) => heard.push(`cluster ${timeMs}`),
    entries: (entries) => heard.push(`entries ${entries.length}`),
    requests: (requests) => heard.push(`requests ${requests.length}`),
  });
  history.addEntries(life);
  history.addEntries([store(1, 'granted', { request: undefined as never })]);
  history.addCluster(cluster(1, 0));
  stop();
  history.addEntries(life);
  expect(heard).toEqual(['entries 11', 'requests 1', 'entries 1', 'cluster 1']);
});
