/** P22: the ranks of one request are admitted in one order over all arenas, so requests cannot wait for each other in a circle. */
import { describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();
const CHUNKS = 3;

/** Senders `prefill-<rank>`, one for each rank, and arenas that hold one request and a half. */
class Groups {
  readonly made: Cluster;
  readonly receivers: readonly string[];
  readonly decodes: Agent[] = [];
  readonly prefills: Agent[] = [];
  readonly epochs = new Map<string, string>();

  private constructor(made: Cluster, receivers: readonly string[]) {
    this.made = made;
    this.receivers = receivers;
  }

  /** `receivers`: the receiver of each rank. `requests`: whose chunks the engines have. */
  static async create(receivers: readonly string[], requests: readonly string[]): Promise<Groups> {
    const groups = new Groups(clusters.create(), receivers);
    const { made } = groups;
    for (const receiver of [...new Set(receivers)].sort()) {
      const ranks = receivers.filter((name) => name === receiver).length;
      const pages = Math.floor(1.5 * CHUNKS * ranks);
      const arena = { directory: '/memory', pages, pageBytes: 64 };
      groups.decodes.push(await made.agent(receiver, 'decode', { arena }));
    }
    for (const rank of receivers.keys()) {
      groups.prefills.push(await made.agent(`prefill-${rank}`, 'prefill'));
      for (const request of requests) await made.segment(`prefill-${rank}`, request, keysOf(request, rank));
    }
    return groups;
  }

  get members() {
    return this.receivers.map((receiver, rank) => ({ sender: `prefill-${rank}`, receiver }));
  }

  async put(request: string, rank: number, timeoutMs = 20_000): Promise<void> {
    const { made, members } = this;
    const source = [{ segment: request, offset: 0, length: 64, count: CHUNKS }];
    const more = { receiver: members[rank]?.receiver as string, ranks: { rank, members }, source, timeoutMs };
    const { epoch } = await made.put(`prefill-${rank}`, request, keysOf(request, rank), more);
    this.epochs.set(`${request} ${rank}`, epoch);
  }

  /** The engines read what they need, and give it back. */
  async release(request: string): Promise<void> {
    for (const [rank, agent] of this.receivers.entries()) {
      await this.made.call(agent, 'release', { request, epoch: this.epochs.get(`${request} ${rank}`) as string });
    }
  }

  /** The order in which the requests are ready, when each one is released as soon as it is. */
  async readyInOrder(count: number): Promise<string[]> {
    const { made } = this;
    const order: string[] = [];
    while (order.length < count) {
      await made.clock.until(() => made.terminals.length > order.length, 60_000);
      const event = made.terminals[order.length];
      order.push(event?.end === 'ready' ? event.request : `${event?.request} ${event?.end}`);
      if (event?.end === 'ready') await this.release(event.request);
    }
    return order;
  }

  async states(request: string): Promise<(string | undefined)[]> {
    const states: (string | undefined)[] = [];
    for (const agent of new Set(this.receivers)) {
      const { requests } = await this.made.call(agent, 'status', { request });
      states.push(...requests.map(({ state }) => state));
    }
    return states;
  }

  async freePages(): Promise<(number | undefined)[]> {
    const free: (number | undefined)[] = [];
    for (const agent of [...new Set(this.receivers)].sort()) {
      free.push((await this.made.status(agent)).pages?.free);
    }
    return free;
  }
}

function keysOf(request: string, rank: number): string[] {
  return Array.from({ length: CHUNKS }, (_, chunk) => `${request}.${rank}.${chunk}`);
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

describe('T21: two requests over two ranks come in opposite order', () => {
  test.each([
    ['two arenas', ['decode-0', 'decode-1']],
    ['two arenas, the lead at the last', ['decode-1', 'decode-0']],
    ['one arena', ['decode-0', 'decode-0']],
  ])('P22, T21: %s → both are ready, one after the other', async (_, receivers) => {
    const groups = await Groups.create(receivers, ['x', 'y']);
    await groups.put('x', 0);
    await groups.put('y', 1);
    await groups.made.clock.advance(50);
    await groups.put('y', 0);
    await groups.put('x', 1);
    expect(await groups.readyInOrder(2)).toHaveLength(2);
    expect(groups.made.terminals.map(({ end }) => end)).toEqual(['ready', 'ready']);
    expect(await groups.freePages()).toEqual(new Set(receivers).size === 2 ? [4, 4] : [9]);
  });
});

test('P22: three groups over three arenas come in any order → all are ready', async () => {
  const rotations = [0, 1, 2].map((first) => ['x', 'y', 'z'].map((_, n) => ['x', 'y', 'z'][(first + n) % 3] as string));
  for (const receivers of permutations(['decode-0', 'decode-1', 'decode-2'])) {
    const groups = await Groups.create(receivers, ['x', 'y', 'z']);
    // Each request is first at another rank.
    for (const [rank, requests] of rotations.entries()) for (const request of requests) await groups.put(request, rank);
    expect((await groups.readyInOrder(3)).toSorted(), receivers.join(' ')).toEqual(['x', 'y', 'z']);
    await groups.made.stop();
  }
});

test('P22: a rank never comes → the request keeps no page from another one', async () => {
  const groups = await Groups.create(['decode-0', 'decode-1'], ['x', 'y']);
  await groups.put('x', 0);
  await groups.made.clock.advance(100);
  expect(await groups.states('x')).toEqual(['running.held']);
  expect(await groups.freePages()).toEqual([4, 4]);
  await groups.put('y', 1);
  await groups.put('y', 0);
  expect(await groups.made.ended('y')).toMatchObject({ end: 'ready' });
  expect(await groups.made.ended('x')).toMatchObject({ end: 'expired' });
});

test('P22: a request without ranks is admitted beside one that waits for its turn', async () => {
  const groups = await Groups.create(['decode-0', 'decode-1'], ['x', 'single']);
  await groups.put('x', 0);
  const source = [{ segment: 'single', offset: 0, length: 64, count: CHUNKS }];
  await groups.made.put('prefill-0', 'single', keysOf('single', 0), { source });
  expect(await groups.made.ended('single')).toMatchObject({ end: 'ready' });
});

test('P22: ranks that can never fit one arena together → failed at once', async () => {
  const groups = await Groups.create(['decode-0', 'decode-1'], ['x']);
  const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: 'decode-0' }));
  const source = [{ segment: 'x', offset: 0, length: 64, count: CHUNKS }];
  for (const rank of [0, 1]) {
    await groups.made.put(`prefill-${rank}`, 'x', keysOf('x', rank), { source, ranks: { rank, members } });
  }
  const event = await groups.made.ended('x', 5000);
  expect(event).toMatchObject({ end: 'failed', reason: { code: 'request_too_large' } });
  await groups.made.clock.advance(1000);
  expect(await groups.freePages()).toEqual([4, 4]);
});

describe('what is lost is asked for', () => {
  test.each(['report', 'admit'])('P22, P25: every second %s is lost, others are late → ready', async (operation) => {
    const groups = await Groups.create(['decode-0', 'decode-1'], ['x', 'y']);
    let seen = 0;
    groups.made.network.fate = ({ subject }) => {
      if (!subject.endsWith(`.${operation}`)) return { copies: 1, delayMs: 1 };
      seen += 1;
      return { copies: seen % 2 === 0 ? 2 : 0, delayMs: 30 };
    };
    for (const [request, rank] of [
      ['x', 0],
      ['y', 1],
      ['y', 0],
      ['x', 1],
    ] as const)
      await groups.put(request, rank);
    expect((await groups.readyInOrder(2)).toSorted()).toEqual(['x', 'y']);
    expect(seen).toBeGreaterThan(1);
  });

  test('P22, P25: no turn ever arrives by itself → the answers to reports carry it', async () => {
    const groups = await Groups.create(['decode-0', 'decode-1'], ['x']);
    groups.made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.admit') ? 0 : 1, delayMs: 1 });
    for (const rank of [0, 1]) await groups.put('x', rank);
    expect(await groups.made.ended('x')).toMatchObject({ end: 'ready' });
  });
});

describe('an agent dies while ranks wait', () => {
  /** x holds the first arena and waits at the second, which y fills; z waits for its turn at the first. */
  async function inTheMiddle() {
    const groups = await Groups.create(['decode-0', 'decode-1'], ['w', 'x', 'y']);
    const { made } = groups;
    const source = [{ segment: 'w', offset: 0, length: 64, count: CHUNKS }];
    const w = await made.put('prefill-1', 'w', keysOf('w', 1), { receiver: 'decode-1', source });
    await made.ended('w');
    for (const rank of [0, 1]) await groups.put('x', rank);
    await made.clock.advance(50);
    for (const rank of [0, 1]) await groups.put('y', rank);
    await made.clock.advance(50);
    expect(await groups.states('x')).toEqual(['running.gathering', 'running.waiting']);
    expect(await groups.states('y')).toEqual(['running.waiting', 'running.held']);
    return { groups, made, freeSecond: () => made.call('decode-1', 'release', { request: 'w', epoch: w.epoch }) };
  }

  test('P22: explain says whose turn it is, and what a held rank waits for', async () => {
    const { made } = await inTheMiddle();
    const explained = async (agent: string, request: string) => {
      const { explanations } = await made.call(agent, 'explain', { request });
      return explanations.map(({ summary }) => summary).join(' ');
    };
    expect(await explained('decode-1', 'y')).toContain('its turn: the other ranks to come or to be admitted');
    expect(await explained('decode-0', 'y')).toContain('decode-0 to admit its ranks');
    expect(await explained('decode-0', 'x')).toContain('decode-1 to admit its ranks');
  });

  test('P22: nobody dies → both are ready, in the order of the first arena', async () => {
    const { groups, made, freeSecond } = await inTheMiddle();
    made.terminals.length = 0;
    await freeSecond();
    expect(await groups.readyInOrder(2)).toEqual(['x', 'y']);
  });

  test('P22: the lead dies while it gives turns → its requests end, pages come back', async () => {
    const { groups, made, freeSecond } = await inTheMiddle();
    made.kill(groups.decodes[0] as Agent);
    await made.clock.advance(10_000);
    expect(await groups.states('x').catch(() => 'no answer')).toBe('no answer');
    const { requests } = await made.call('decode-1', 'status', { request: 'y' });
    expect(requests.map(({ end }) => end)).toEqual(['failed']);
    await freeSecond();
    expect((await made.status('decode-1')).pages?.free).toBe(4);
    for (const request of ['x', 'y']) {
      expect(made.terminals.filter((event) => event.request === request)).toMatchObject([{ end: 'failed' }]);
    }
  });

  test('P22: the sender of a held rank dies → its request ends, the next one goes on', async () => {
    const { groups, made, freeSecond } = await inTheMiddle();
    made.kill(groups.prefills[0] as Agent);
    await made.clock.advance(10_000);
    await freeSecond();
    expect(await groups.freePages()).toEqual([4, 4]);
    for (const request of ['x', 'y']) {
      expect(made.terminals.filter((event) => event.request === request)).toMatchObject([{ end: 'failed' }]);
    }
  });

  test('P22: the request that waits for its turn is cancelled → the other is not touched', async () => {
    const { groups, made, freeSecond } = await inTheMiddle();
    made.terminals.length = 0;
    await made.call('decode-1', 'cancel', { request: 'y' });
    expect(await made.ended('y')).toMatchObject({ end: 'cancelled' });
    await freeSecond();
    await made.clock.until(() => made.terminals.length === 2, 10_000);
    expect(made.terminals[1]).toMatchObject({ request: 'x', end: 'ready' });
    await groups.release('x');
    expect(await groups.freePages()).toEqual([4, 4]);
  });
});
