/**
 * P31, T28: an agent with a name of its own says what another agent would have to say. NATS lets it publish under its own name only,
 * so each forged message carries that name in its subject. It must be refused, be counted, and change nothing.
 */
import { describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { PeerRequest } from '../../src/protocol/peer-messages.js';
import { type PeerOperation, subjects } from '../../src/protocol/subjects.js';
import { Ranked } from './ranked.js';
import { type Cluster, publicKeyOf, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];
const connecting = {
  heartbeatMs: 1000,
  provider: 'memory',
  publicKey: publicKeyOf('prefill-9', '9'.repeat(16)),
} as const;
const reason = { code: 'internal', message: 'forged' } as const;

interface Made extends Cluster {
  readonly decode: Agent;
  readonly prefill: Agent;
}

async function cluster(): Promise<Made> {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  const prefill = await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return Object.assign(made, { decode, prefill });
}

/** A request whose write is under way. */
async function inWrite(made: Made): Promise<{ epoch: string; release: () => void }> {
  const writes = made.fabrics.holdWrites();
  const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
  await made.clock.until(() => writes.held > 0);
  return { epoch, release: () => writes.release() };
}

interface To {
  readonly agent: string;
  readonly epoch: string;
}

/** `decode-9` or `prefill-9` sends a message under its own name. Returns the code of the answer, or `ok`. */
async function forge<O extends PeerOperation>(
  made: Cluster,
  from: string,
  { agent, epoch }: To,
  operation: O,
  body: Omit<PeerRequest<O>, 'v'>,
): Promise<string> {
  const stranger = made.network.connect(from);
  const subject = subjects.peer(agent, epoch, from, operation);
  const asked = stranger.request(subject, JSON.stringify({ v: 2, ...body }), { timeoutMs: 5000 });
  const answer = JSON.parse(await made.settle(asked));
  return answer.ok ? 'ok' : answer.error.code;
}

describe('P31: another prefill agent speaks for the request of a sender', () => {
  const decode = (made: Made) => ({ agent: 'decode-0', epoch: made.decode.epoch });

  test('P31, T28: a forged commit → not_yours, ready only with the bytes', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    const pages = { pages: [0, 1], generations: [1, 1], lengths: [{ length: 64, count: 2 }] };
    const commit = { request: 'r1', epoch, batch: 0, part: 0, ...pages };
    expect(await forge(made, 'prefill-9', decode(made), 'commit', commit)).toBe('not_yours');
    await made.clock.advance(1000);
    expect([made.terminals, (await made.status('decode-0')).pages?.writing]).toEqual([[], 2]);
    release();
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    expect((await made.status('decode-0')).counters).toMatchObject({ errors_not_yours: 1, messages_refused: 1 });
  });

  test('P31, T28: a forged abort → not_yours, and the request goes on', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    const abort = { request: 'r1', epoch, totalChunks: 2, end: 'failed', reason } as const;
    expect(await forge(made, 'prefill-9', decode(made), 'abort', abort)).toBe('not_yours');
    release();
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P31, T28: a forged drained → not_yours, the pages stay in quarantine', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    await made.clock.advance(100);
    expect(await forge(made, 'prefill-9', decode(made), 'drained', { request: 'r1', epoch })).toBe('not_yours');
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 2, free: 6 });
    release();
    await made.clock.advance(5000);
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 0, free: 8 });
  });

  test('P31, T28: a forged allocate and inquire → not_yours, no page is given', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    const about = { request: 'r9', epoch, grant: 'g1', batch: 0, last: true, totalChunks: 1, timeoutMs: 1000 };
    const chunk = { keys: ['k9'], lengths: [{ length: 64, count: 1 }] };
    expect(await forge(made, 'prefill-9', decode(made), 'allocate', { ...about, ...chunk })).toBe('not_yours');
    expect(await forge(made, 'prefill-9', decode(made), 'inquire', { request: 'r1', epoch })).toBe('not_yours');
    expect(await made.status('decode-0')).toMatchObject({ requestsTotal: 1, pages: { writing: 2, free: 6 } });
    release();
  });

  test('P31, T28: an abort of an id before it is put → refused, the put is ready', async () => {
    const made = await cluster();
    const { epoch } = made.prefill;
    const abort = { request: 'r1', epoch, totalChunks: 1, end: 'failed', reason } as const;
    // Nobody has connected under this epoch yet.
    expect(await forge(made, 'prefill-9', decode(made), 'abort', abort)).toBe('unknown_request');
    await made.put('prefill-0', 'r0', ['k0']);
    await made.ended('r0');
    expect(await forge(made, 'prefill-9', decode(made), 'abort', abort)).toBe('not_yours');
    await made.put('prefill-0', 'r1', ['k1'], { first: 1 });
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P31, T28: connect under the epoch of another → not_yours, its remote key stays', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    const connect = { ...connecting, epoch, connection: Number.MAX_SAFE_INTEGER };
    expect(await forge(made, 'prefill-9', decode(made), 'connect', connect)).toBe('not_yours');
    release();
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    const { counters, peers } = await made.status('decode-0');
    expect([counters.grants_revoked, peers.map(({ agent }) => agent)]).toEqual([undefined, ['prefill-0']]);
  });

  test('P31, T28: after the loss of a sender, nobody else speaks for its epoch', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    made.kill({ epoch });
    await made.ended('r1');
    const connect = { ...connecting, epoch, connection: 1 };
    expect(await forge(made, 'prefill-9', decode(made), 'connect', connect)).toBe('not_yours');
    expect(await forge(made, 'prefill-9', decode(made), 'inquire', { request: 'r1', epoch })).toBe('not_yours');
    release();
  });
});

describe('P31: another decode agent speaks for the receiver of a request', () => {
  const prefill = (made: Made) => ({ agent: 'prefill-0', epoch: made.prefill.epoch });

  test('P31, T28: forged notices and questions → not_yours, the request is ready', async () => {
    const made = await cluster();
    const { epoch, release } = await inWrite(made);
    const request = { request: 'r1', epoch };
    const allocation = { grant: 'g1', pages: [5, 6], generations: [1, 1], alreadySent: [], joined: [] };
    const pages = { positions: [0], pages: [5], generations: [1] };
    const handover = { ...request, batch: 0, part: 1, grant: 'g1', ...pages };
    const confirm = { ...request, receiverEpoch: 'f'.repeat(16) };
    const to = prefill(made);
    expect(await forge(made, 'decode-9', to, 'ended', { ...request, end: 'failed', reason })).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'joined', { ...request, batch: 0 })).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'allocated', { ...request, batch: 0, allocation })).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'handover', handover)).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'confirm', confirm)).toBe('not_yours');
    release();
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    await made.clock.advance(5000);
    expect(made.terminals).toHaveLength(1);
    expect((await made.status('prefill-0')).counters).toMatchObject({ errors_not_yours: 5 });
  });

  test('P31, T28: an offered request has no receiver → no agent may end it', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0'], { receiver: undefined });
    const ended = { request: 'r1', epoch, end: 'failed', reason } as const;
    expect(await forge(made, 'decode-9', prefill(made), 'ended', ended)).toBe('not_yours');
    await made.call('prefill-0', 'route', { request: 'r1', receiver: 'decode-0' });
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', receiver: 'decode-0' });
  });

  test('P31, T28: only a process of the same name may ask for the name', async () => {
    const made = await cluster();
    const { release } = await inWrite(made);
    // From now on it yields its name as soon as it can.
    void made.decode.stop();
    const body = { epoch: 'f'.repeat(16) };
    expect(await forge(made, 'decode-9', { agent: 'decode-0', epoch: made.decode.epoch }, 'yield', body)).toBe(
      'not_yours',
    );
    release();
  });

  test('P31, T28: a sender name that is none → invalid_field', async () => {
    const made = await cluster();
    const to = prefill(made);
    expect(await forge(made, 'dec\u001bode', to, 'ping', {})).toBe('invalid_field');
    expect(await forge(made, 'x'.repeat(65), to, 'ping', {})).toBe('invalid_field');
    expect(await forge(made, 'decode-9', to, 'ping', {})).toBe('ok');
  });
});

describe('P31: heartbeats and descriptions', () => {
  const about = { v: 2, role: 'decode', heartbeatMs: 1000, number: 9, ageMs: 1, alone: true, draining: false } as const;

  test.each([
    ['decode-0', 'heartbeat.whatever', 'decode'],
    ['prefill-0', 'heartbeat.prefill-9', 'prefill'],
  ] as const)('P31: a last heartbeat of %s on %s → its requests go on', async (agent, subject, side) => {
    const made = await cluster();
    const { release } = await inWrite(made);
    const beat = { ...about, agent, epoch: made[side].epoch, leaving: true };
    made.network.connect('prefill-9').publish(`kvferry.v2.${subject}`, JSON.stringify(beat));
    await made.clock.advance(2000);
    release();
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P31, T28: a heartbeat that names another agent than its subject → refused', async () => {
    const made = await cluster();
    const { release } = await inWrite(made);
    // A program that may publish on this subject speaks for this name only.
    const beat = { ...about, agent: 'decode-0', epoch: made.decode.epoch, leaving: true };
    made.network.connect('decode-9').publish('kvferry.v2.heartbeat.prefill-0', JSON.stringify(beat));
    await made.clock.advance(2000);
    release();
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    expect((await made.status('decode-0')).counters).toMatchObject({ messages_refused: 1 });
  });

  test('P31, T28: an agent that answers under another name is no receiver', async () => {
    const made = await cluster();
    const stranger = made.network.connect('decode-9');
    const decode = await made.call('decode-0', 'describe', {});
    stranger.subscribe(subjects.operations('decode-1'), ({ respond }) => respond(JSON.stringify(decode)));
    const put = made.put('prefill-0', 'r1', ['k0'], { receiver: 'decode-1' });
    await expect(put).rejects.toMatchObject({ code: 'not_yours' });
  });
});

describe('P31: the ranks of a request', () => {
  const counts = { chunks: 1, deduplicated: 0, joined: 0, bytes: 0, timeoutMs: 1000 };

  test('P31, T28: forged orders of a lead → not_yours, the request is ready', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    const first = await ranked.putFirst(1);
    await made.clock.advance(100);
    const to = { agent: 'decode-1', epoch: ranked.rank(1).decode.epoch };
    const holder = { request: 'r1', epoch: first.epoch };
    expect(await forge(made, 'decode-9', to, 'verdict', { ...holder, end: 'failed', reason })).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'prepare', holder)).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'admit', { request: 'r1', epochs: [first.epoch] })).toBe('not_yours');
    await ranked.put(0);
    await ranked.putLast(1);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready', lead: 'decode-0' });
  });

  test('P31, T28: a report of an agent that serves no rank → not_yours', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made, members } = ranked;
    const first = await ranked.putFirst(1);
    await made.clock.advance(100);
    const to = { agent: 'decode-0', epoch: ranked.rank(0).decode.epoch };
    const about = { request: 'r1', epoch: first.epoch, state: 'failed', reason, ...counts } as const;
    const from = { agent: 'decode-9', epoch: 'f'.repeat(16) };
    const [lead] = members;
    const own = [lead as (typeof members)[0], { sender: 'prefill-9', receiver: 'decode-9' }];
    const asMember = { ...about, ranks: { rank: 1, members }, from: { ...from, agent: 'decode-1' } };
    expect(await forge(made, 'decode-9', to, 'report', asMember)).toBe('not_yours');
    expect(await forge(made, 'decode-9', to, 'report', { ...about, ranks: { rank: 1, members: own }, from })).toBe(
      'not_yours',
    );
    expect(await forge(made, 'prefill-9', to, 'report', { ...about, ranks: { rank: 1, members } })).toBe('not_yours');
    await ranked.put(0);
    await ranked.putLast(1);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P31, T28: an appeal of an agent that serves no rank → not_yours', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made, members } = ranked;
    const to = { agent: 'prefill-0', epoch: ranked.rank(0).prefill.epoch };
    const ranks = { rank: 1, members };
    const appeal = { request: 'r1', epoch: 'f'.repeat(16), ranks, reason, timeoutMs: 1000 };
    expect(await forge(made, 'decode-9', to, 'appeal', appeal)).toBe('not_yours');
    await ranked.put(0);
    await ranked.put(1);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  });

  test('P31, T28: a promise to an agent that does not lead the request binds nobody', async () => {
    const ranked = await Ranked.create(clusters.create(), 2);
    const { made } = ranked;
    const { prefill, decode } = ranked.rank(0);
    const to = { agent: 'prefill-0', epoch: prefill.epoch };
    const confirm = { request: 'r1', epoch: prefill.epoch, receiverEpoch: decode.epoch };
    expect(await forge(made, 'decode-9', to, 'confirm', confirm)).toBe('unknown_request');
    const writes = made.fabrics.holdWrites();
    await ranked.put(0);
    await made.clock.advance(100);
    made.kill(decode);
    expect(await ranked.published('r1', 120_000)).toEqual([['failed', 'receiver_lost']]);
    writes.release();
  });
});
