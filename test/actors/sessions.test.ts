/** Sessions of engines: orders in their turn, each once; what a session held is given back when it ends. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import { ReplyError } from '../../src/protocol/codec.js';
import { type Operation, subjects } from '../../src/protocol/subjects.js';
import { DEFAULT_TENANT } from '../../src/protocol/tenants.js';
import { SlowAttach, SlowIdentify } from './slow-attach.js';
import { type Cluster, PAGE_BYTES, useCluster } from './support.js';

const SESSION = '00000000000000f1';
const OTHER = '00000000000000f2';
const SILENT_MS = 5000;

const clusters = useCluster();
let cluster: Cluster;
let prefill: Agent;

beforeEach(async () => {
  cluster = clusters.create();
  await cluster.agent('decode-0', 'decode');
  prefill = await cluster.agent('prefill-0', 'prefill');
});

function open(session = SESSION, silentMs = SILENT_MS) {
  return cluster.call('prefill-0', 'open', { session, holder: 'engine', silentMs });
}

/** Makes a file and attaches it in the session, as order 0. */
async function openWithSegment(keys: readonly string[], session = SESSION): Promise<void> {
  await open(session);
  const path = `/memory/${session}`;
  cluster.fabrics.files.set(path, new Uint8Array(keys.length * PAGE_BYTES));
  await cluster.call('prefill-0', 'attach', { segment: 'engine', path, session, order: 0 });
}

/** Every put waits so long for its receiver. */
function lookUpTakes(ms: number): void {
  const describeIt = subjects.operation('decode-0', DEFAULT_TENANT, 'describe');
  cluster.network.fate = ({ subject }) => ({ copies: 1, delayMs: subject === describeIt ? ms : 0 });
}

/** The code of a refusal and its details; `ok` when the call is answered. */
async function outcome<O extends Operation>(operation: O, body: OperationInput<O>): Promise<object | string> {
  try {
    await cluster.call('prefill-0', operation, body);
    return 'ok';
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    return { code: error.code, ...error.details };
  }
}

function putOf(request: string, order: number, more: Partial<OperationInput<'put'>> = {}): OperationInput<'put'> {
  return {
    ...{ request, receiver: 'decode-0', batch: 0, last: true, totalChunks: 1, timeoutMs: 30_000, keys: [request] },
    source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES }],
    ...{ session: SESSION, order },
    ...more,
  };
}

const counter = async (name: string) => (await cluster.status('prefill-0')).counters[name] ?? 0;

describe('orders of a session', () => {
  test('P19: the same number again → the same answer, executed once', async () => {
    await openWithSegment(['a']);
    const first = await cluster.call('prefill-0', 'put', putOf('a', 1));
    await cluster.ended('a');
    expect(await cluster.call('prefill-0', 'put', putOf('a', 1))).toEqual(first);
    expect(await counter('requests_accepted')).toBe(1);
  });

  test('a refused order again → the same refusal, also when it would be accepted now', async () => {
    await openWithSegment(['a']);
    const put = putOf('a', 1, { receiver: 'decode-1' });
    expect(await outcome('put', put)).toEqual({ code: 'unknown_receiver' });
    await cluster.agent('decode-1', 'decode');
    expect(await outcome('put', put)).toEqual({ code: 'unknown_receiver' });
    expect(await outcome('put', putOf('a', 2, { receiver: 'decode-1' }))).toBe('ok');
  });

  test('pages lent twice under one number → the same pages', async () => {
    await open();
    const stage = { holder: 'e', pages: 2, session: SESSION, order: 0 };
    const lent = await cluster.call('prefill-0', 'stage', stage);
    expect(await cluster.call('prefill-0', 'stage', stage)).toEqual(lent);
    expect((await cluster.status('prefill-0')).staging).toMatchObject({ free: 2, lent: 2 });
  });

  test('other content under a number → order_reused', async () => {
    await openWithSegment(['a']);
    await cluster.call('prefill-0', 'put', putOf('a', 1));
    expect(await outcome('put', putOf('b', 1))).toEqual({ code: 'order_reused' });
    expect(await outcome('detach', { segment: 'engine', session: SESSION, order: 1 })).toEqual({
      code: 'order_reused',
    });
  });

  test('a gap → order_out_of_turn with the number that is expected', async () => {
    await openWithSegment(['a']);
    expect(await outcome('put', putOf('a', 3))).toEqual({ code: 'order_out_of_turn', order: 1 });
    expect(await counter('requests_accepted')).toBe(0);
  });

  test('an answer of long ago → order_forgotten', async () => {
    await open();
    const unstage = (order: number) => ({ holder: 'e', session: SESSION, order });
    for (let order = 0; order < 1030; order += 1) await cluster.call('prefill-0', 'unstage', unstage(order));
    expect(await outcome('unstage', unstage(0))).toEqual({ code: 'order_forgotten' });
    expect(await outcome('unstage', unstage(1000))).toBe('ok');
  });

  test('more orders than may wait → the number stays free', async () => {
    await openWithSegment(['a']);
    cluster.network.fate = ({ subject }) => ({ copies: subject.includes('.decode-0.') ? 0 : 1, delayMs: 0 });
    const puts = Array.from({ length: 66 }, (_, index) => outcome('put', putOf(`r${index}`, index + 1)));
    const outcomes = await cluster.settle(Promise.all(puts));
    expect(outcomes.slice(63)).toEqual([
      { code: 'unknown_receiver' },
      { code: 'too_many_orders' },
      { code: 'order_out_of_turn', order: 65 },
    ]);
  });

  test('many puts to a receiver that does not answer → one look-up for all of them', async () => {
    await openWithSegment(['a']);
    cluster.network.fate = ({ subject }) => ({ copies: subject.includes('.decode-0.') ? 0 : 1, delayMs: 0 });
    const startMs = cluster.clock.now();
    const puts = Array.from({ length: 20 }, (_, index) => outcome('put', putOf(`r${index}`, index + 1)));
    expect(new Set((await Promise.all(puts)).map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"code":"unknown_receiver"}']),
    );
    expect(cluster.clock.now() - startMs).toBeLessThanOrEqual(1500);
  });

  test('a batch outside the session of batch 0 → wrong_session', async () => {
    await openWithSegment(['a']);
    await cluster.call('prefill-0', 'put', putOf('a', 1, { last: false, totalChunks: 2 }));
    const { session: _, order: __, ...plain } = putOf('a', 2, { batch: 1, last: true, totalChunks: 1, keys: [] });
    expect(await outcome('put', { ...plain, source: [] })).toEqual({ code: 'wrong_session', session: SESSION });
  });
});

describe('a barrier', () => {
  test('T17: a put that arrives after the barrier → order_barred, never executed', async () => {
    await openWithSegment(['a']);
    expect(await cluster.call('prefill-0', 'barrier', { session: SESSION, order: 3 })).toMatchObject({
      epoch: prefill.epoch,
      barred: [1, 2],
    });
    expect(await outcome('put', putOf('a', 1))).toEqual({ code: 'order_barred' });
    expect(await outcome('put', putOf('a', 2))).toEqual({ code: 'order_barred' });
    expect(await outcome('put', putOf('a', 3))).toBe('ok');
    expect(await cluster.call('prefill-0', 'barrier', { session: SESSION, order: 3 })).toMatchObject({
      barred: [1, 2],
    });
  });

  test('an order before it that is in progress → the barrier waits for it', async () => {
    await openWithSegment(['a']);
    lookUpTakes(200);
    const done: string[] = [];
    const put = outcome('put', putOf('a', 1)).then((what) => done.push(`put ${what}`));
    const barrier = cluster
      .call('prefill-0', 'barrier', { session: SESSION, order: 2 })
      .then(({ barred }) => done.push(`barrier ${JSON.stringify(barred)}`));
    await Promise.all([put, barrier]);
    expect(done).toEqual(['put ok', 'barrier []']);
  });

  test('a number far ahead → order_out_of_turn', async () => {
    await open();
    expect(await outcome('barrier', { session: SESSION, order: 5000 })).toEqual({
      code: 'order_out_of_turn',
      order: 0,
    });
  });
});

describe('a session that ends', () => {
  test('the engine ends it → its requests are cancelled and its memory is given back', async () => {
    await openWithSegment(['a', 'b']);
    await cluster.call('prefill-0', 'stage', { holder: 'e', pages: 3, session: SESSION, order: 1 });
    await cluster.call('prefill-0', 'put', putOf('a', 2, { last: false, totalChunks: 2 }));
    const [row] = (await cluster.status('prefill-0')).sessions;
    expect(row).toMatchObject({
      session: SESSION,
      holder: 'engine',
      state: 'open',
      order: 3,
      requests: 1,
      segments: 1,
    });
    await cluster.call('prefill-0', 'end', { session: SESSION });
    expect(await cluster.ended('a')).toMatchObject({ end: 'cancelled', reason: { code: 'session_ended' } });
    await cluster.clock.advance(100);
    expect(await cluster.call('prefill-0', 'end', { session: SESSION })).toMatchObject({ chunksInUse: 0 });
    const status = await cluster.status('prefill-0');
    expect({ sessions: status.sessions, segments: status.segments.map(({ segment }) => segment) }).toEqual({
      sessions: [],
      segments: [expect.stringMatching(/^staging-/)],
    });
    expect(status.staging).toMatchObject({ free: 4, lent: 0, inUse: 0 });
  });

  test('a write that has not drained → the segment stays until it has', async () => {
    await openWithSegment(['a']);
    const write = cluster.fabrics.holdWrites();
    await cluster.call('prefill-0', 'put', putOf('a', 1));
    await cluster.clock.until(() => write.held > 0);
    expect(await cluster.call('prefill-0', 'end', { session: SESSION })).toMatchObject({ chunksInUse: 1 });
    expect(await cluster.call('prefill-0', 'sources', { session: SESSION })).toMatchObject({
      batches: [{ request: 'a', batch: 0, positions: [0] }],
    });
    expect((await cluster.status('prefill-0')).segments.map(({ segment }) => segment)).toContain('engine');
    expect(await outcome('put', putOf('b', 2, { session: undefined, order: undefined }))).toEqual({
      code: 'segment_not_found',
    });
    write.release();
    await cluster.clock.advance(1000);
    expect(await cluster.call('prefill-0', 'end', { session: SESSION })).toMatchObject({ chunksInUse: 0 });
    expect((await cluster.status('prefill-0')).segments.map(({ segment }) => segment)).not.toContain('engine');
  });

  test('the engine is silent → the session ends by itself, once', async () => {
    await openWithSegment(['a']);
    await cluster.clock.advance(SILENT_MS - 1000);
    await cluster.call('prefill-0', 'renew', { session: SESSION });
    await cluster.clock.advance(SILENT_MS - 1000);
    expect(await outcome('renew', { session: SESSION })).toBe('ok');
    await cluster.clock.advance(SILENT_MS + 1000);
    expect(await outcome('renew', { session: SESSION })).toEqual({ code: 'session_ended' });
    expect(await outcome('put', putOf('a', 1))).toEqual({ code: 'session_ended' });
    expect(await outcome('open', { session: SESSION, holder: 'engine', silentMs: SILENT_MS })).toEqual({
      code: 'session_ended',
    });
    expect(await counter('sessions_silent')).toBe(1);
    expect((await cluster.status('prefill-0')).segments.map(({ segment }) => segment)).not.toContain('engine');
  });

  test('P19: it ends while the agent attaches its segment → the segment is given back', async () => {
    const made = new SlowAttach();
    await made.agent('prefill-0', 'prefill');
    await made.call('prefill-0', 'open', { session: SESSION, holder: 'engine', silentMs: SILENT_MS });
    made.fabrics.files.set('/memory/engine', new Uint8Array(PAGE_BYTES));
    const order = { session: SESSION, order: 0 };
    const attached = made.call('prefill-0', 'attach', { segment: 'engine', path: '/memory/engine', ...order });
    await made.clock.advance(100);
    await Promise.all([made.call('prefill-0', 'end', { session: SESSION }), attached]);
    await made.clock.advance(100);
    const { segments } = await made.status('prefill-0');
    expect(segments.map(({ segment }) => segment)).toEqual([expect.stringMatching(/^staging-/)]);
    await made.stop();
  });

  test('NATS was away, or the agent was stopped → that silence does not count', async () => {
    await openWithSegment(['a']);
    await cluster.cutOff(prefill, 2 * SILENT_MS);
    // Until the agent has looked for silent sessions again.
    await cluster.clock.advance(SILENT_MS - 1000);
    expect(await outcome('renew', { session: SESSION })).toBe('ok');
    await cluster.freeze(prefill, 2 * SILENT_MS);
    expect(await outcome('renew', { session: SESSION })).toBe('ok');
  });

  test('it ends while a put of it looks its receiver up → the put is refused', async () => {
    await openWithSegment(['a']);
    lookUpTakes(200);
    const put = outcome('put', putOf('a', 1));
    const end = cluster.call('prefill-0', 'end', { session: SESSION });
    expect([await put, (await end).chunksInUse]).toEqual([{ code: 'session_ended' }, 0]);
  });

  test('it ends while orders wait behind a put → none of them is executed', async () => {
    await openWithSegment(['a']);
    lookUpTakes(200);
    const put = outcome('put', putOf('a', 1));
    const staged = outcome('stage', { holder: 'e', pages: 1, session: SESSION, order: 2 });
    const end = cluster.call('prefill-0', 'end', { session: SESSION });
    const over = { code: 'session_ended' };
    expect(await cluster.settle(Promise.all([put, staged, end]))).toMatchObject([over, over, { chunksInUse: 0 }]);
    expect((await cluster.status('prefill-0')).staging).toMatchObject({ free: 4 });
  });

  test('its memory is read for longer than it is remembered → it is not forgotten', async () => {
    await cluster.agent('prefill-1', 'prefill', { tombstoneMs: 2000, writeDrainTimeoutMs: 60_000 });
    const ask = <O extends Operation>(operation: O, body: OperationInput<O>) =>
      cluster.call('prefill-1', operation, body);
    await ask('open', { session: SESSION, holder: 'engine', silentMs: SILENT_MS });
    cluster.fabrics.files.set('/memory/e', new Uint8Array(PAGE_BYTES));
    await ask('attach', { segment: 'engine', path: '/memory/e', session: SESSION, order: 0 });
    const write = cluster.fabrics.holdWrites();
    await ask('put', putOf('a', 1));
    await cluster.clock.until(() => write.held > 0);
    await ask('end', { session: SESSION });
    await cluster.clock.advance(10_000);
    expect(await ask('end', { session: SESSION })).toMatchObject({ chunksInUse: 1 });
    write.release();
    await cluster.clock.advance(10_000);
    await expect(ask('end', { session: SESSION })).rejects.toMatchObject({ code: 'unknown_session' });
  });

  test('more ended sessions than are remembered → only the oldest are forgotten', async () => {
    const sessions = Array.from({ length: 18 }, (_, number) => `${number}`.padStart(16, '0'));
    for (const session of sessions) {
      await open(session);
      await cluster.call('prefill-0', 'end', { session });
    }
    await cluster.clock.advance(2000);
    const known = await Promise.all(sessions.map((session) => outcome('renew', { session })));
    const codes = known.map((one) => (one as { code: string }).code);
    expect(codes).toEqual([...Array(2).fill('unknown_session'), ...Array(16).fill('session_ended')]);
  });

  test('its segment is that of another session now → each counts its own chunks', async () => {
    await openWithSegment(['a', 'b']);
    const write = cluster.fabrics.holdWrites();
    await cluster.call('prefill-0', 'put', putOf('a', 1));
    await cluster.clock.until(() => write.held > 0);
    await cluster.call('prefill-0', 'end', { session: SESSION });
    await open(OTHER, 600_000);
    const attach = { segment: 'engine', path: `/memory/${SESSION}`, session: OTHER, order: 0 };
    await cluster.call('prefill-0', 'attach', attach);
    await cluster.call('prefill-0', 'put', putOf('b', 1, { receiver: undefined, session: OTHER }));
    await cluster.call('prefill-0', 'cancel', { request: 'b', session: OTHER, order: 2 });
    await cluster.ended('b');
    expect(await cluster.call('prefill-0', 'end', { session: OTHER })).toMatchObject({ chunksInUse: 1 });
    write.release();
    await cluster.clock.advance(1000);
    expect(await cluster.call('prefill-0', 'end', { session: OTHER })).toMatchObject({ chunksInUse: 0 });
  });

  test('it ends while another session attaches its segment → the segment stays', async () => {
    const made = new SlowIdentify();
    await made.agent('prefill-0', 'prefill');
    made.fabrics.files.set('/memory/engine', new Uint8Array(PAGE_BYTES));
    const attach = (session: string) =>
      made.call('prefill-0', 'attach', { segment: 'engine', path: '/memory/engine', session, order: 0 });
    for (const session of [SESSION, OTHER]) {
      await made.call('prefill-0', 'open', { session, holder: 'engine', silentMs: SILENT_MS });
    }
    await attach(SESSION);
    const attached = attach(OTHER);
    await Promise.all([attached, made.call('prefill-0', 'end', { session: SESSION })]);
    await made.clock.advance(100);
    const { segments } = await made.status('prefill-0');
    expect(segments.find(({ segment }) => segment === 'engine')).toMatchObject({ session: OTHER });
    await made.stop();
  });

  test('a restarted agent → unknown_session, and the repeated put is not executed', async () => {
    await openWithSegment(['a']);
    await cluster.call('prefill-0', 'put', putOf('a', 1));
    cluster.kill(prefill);
    await cluster.agent('prefill-0', 'prefill');
    expect(await outcome('put', putOf('a', 1))).toEqual({ code: 'unknown_session' });
    expect(await counter('requests_accepted')).toBe(0);
  });

  test('as many sessions as an agent takes → too_many_sessions', async () => {
    for (let n = 1; n <= 4; n += 1) await open(`000000000000000${n}`);
    expect(await outcome('open', { session: SESSION, holder: 'e', silentMs: SILENT_MS })).toEqual({
      code: 'too_many_sessions',
    });
    await cluster.call('prefill-0', 'end', { session: '0000000000000001' });
    expect(await outcome('open', { session: SESSION, holder: 'e', silentMs: SILENT_MS })).toBe('ok');
  });
});

describe('a segment is its file', () => {
  const path = '/memory/s';
  const attach = (more: Partial<OperationInput<'attach'>> = {}) => outcome('attach', { segment: 's', path, ...more });
  const write = (at = path) => cluster.fabrics.files.set(at, new Uint8Array(PAGE_BYTES));
  const put = (request: string) => {
    const { session: _, order: __, ...plain } = putOf(request, 0);
    return outcome('put', { ...plain, source: [{ segment: 's', offset: 0, length: PAGE_BYTES }] });
  };

  test('P24: the same file again → ok; another file under its path → segment_exists', async () => {
    write();
    expect([await attach(), await attach()]).toEqual(['ok', 'ok']);
    write();
    expect(await attach()).toEqual({ code: 'segment_exists' });
    cluster.fabrics.files.delete(path);
    expect(await attach()).toEqual({ code: 'segment_not_found' });
    expect(await outcome('detach', { segment: 's' })).toBe('ok');
    expect(await attach()).toEqual({ code: 'segment_not_found' });
  });

  test('P24: a path without a file, of another session → segment_not_found', async () => {
    await openWithSegment(['a']);
    await open(OTHER);
    const elsewhere = { segment: 'engine', path: '/memory/elsewhere', session: OTHER, order: 0 };
    expect(await outcome('attach', elsewhere)).toEqual({ code: 'segment_not_found' });
    expect(await outcome('put', putOf('a', 1))).toBe('ok');
  });

  test('P24, T23: its path leads to another file → no put until it is attached again', async () => {
    write();
    await attach();
    expect(await put('old')).toBe('ok');
    expect(await cluster.ended('old')).toMatchObject({ end: 'ready' });
    write();
    await attach();
    expect(await put('new')).toEqual({ code: 'segment_invalid' });
    await outcome('detach', { segment: 's' });
    expect([await attach(), await put('again')]).toEqual(['ok', 'ok']);
    write();
    await cluster.clock.advance(6000);
    expect(await put('noticed')).toEqual({ code: 'segment_invalid' });
  });

  test('P24: an attach of another path under its name is refused → puts are accepted', async () => {
    write();
    await attach();
    write('/memory/t');
    expect(await attach({ path: '/memory/t' })).toEqual({ code: 'segment_exists' });
    expect(await put('r')).toBe('ok');
  });

  test('P24: the same file is attached by another path → that path counts from then on', async () => {
    write();
    await attach();
    cluster.fabrics.files.set('/memory/t', cluster.fabrics.files.get(path) as Uint8Array);
    expect(await attach({ path: '/memory/t' })).toBe('ok');
    write();
    await cluster.clock.advance(6000);
    expect(await put('r')).toBe('ok');
    expect(await attach({ path: '/memory/t' })).toBe('ok');
    write('/memory/t');
    await cluster.clock.advance(6000);
    expect(await put('late')).toEqual({ code: 'segment_invalid' });
  });

  test('P24: its path leads to another file, its session is open → puts are accepted', async () => {
    write();
    await open(SESSION, 600_000);
    await attach({ session: SESSION, order: 0 });
    write();
    await cluster.clock.advance(6000);
    const source = [{ segment: 's', offset: 0, length: PAGE_BYTES }];
    expect(await outcome('put', putOf('a', 1, { source }))).toBe('ok');
  });

  test('two at once → both are answered ok', async () => {
    write();
    expect(await cluster.settle(Promise.all([attach(), attach()]))).toEqual(['ok', 'ok']);
  });

  test('the segment of another session → refused until that session has ended', async () => {
    write();
    await open();
    await open(OTHER);
    expect(await attach({ session: SESSION, order: 0 })).toBe('ok');
    const held = { session: SESSION };
    expect(await attach({ session: OTHER, order: 0 })).toEqual({ code: 'wrong_session', ...held });
    expect(await outcome('detach', { segment: 's', session: OTHER, order: 1 })).toEqual({
      code: 'wrong_session',
      ...held,
    });
    await cluster.call('prefill-0', 'end', { session: SESSION });
    expect(await attach({ session: OTHER, order: 2 })).toBe('ok');
  });

  test('a removed file that no session holds → shown, then detached', async () => {
    write();
    await attach();
    cluster.fabrics.files.delete(path);
    await cluster.clock.advance(6000);
    const row = (await cluster.status('prefill-0')).segments.find(({ segment }) => segment === 's');
    expect(row).toMatchObject({ chunksInUse: 0, removedMs: expect.any(Number) });
    await cluster.clock.advance(12_000);
    expect(await counter('segments_given_back')).toBe(1);
    expect(await outcome('detach', { segment: 's' })).toEqual({ code: 'segment_not_found' });
  });

  test('a removed file of an open session → it stays attached', async () => {
    write();
    await open(SESSION, 600_000);
    await attach({ session: SESSION, order: 0 });
    cluster.fabrics.files.delete(path);
    await cluster.clock.advance(60_000);
    expect((await cluster.status('prefill-0')).segments.map(({ segment }) => segment)).toContain('s');
  });
});
