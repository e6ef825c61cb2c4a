/** The order of `put` and `cancel`, and puts that an agent reads after a pause. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import { ReplyError } from '../../src/protocol/codec.js';
import { CHUNKS_IN_PROGRESS_MAX, CHUNKS_PER_REQUEST_MAX, KEYS_PER_BATCH_MAX } from '../../src/protocol/limits.js';
import { type Cluster, PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();
let cluster: Cluster;
let prefill: Agent;

beforeEach(async () => {
  cluster = clusters.create();
  await cluster.agent('decode-0', 'decode');
  prefill = await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', ['a', 'b']);
});

/** What a call comes to: the code of its refusal, or its end. */
const outcome = (call: Promise<object>): Promise<unknown> =>
  call.then(
    (reply) => ('end' in reply ? reply.end : 'ok'),
    (error: unknown) => (error instanceof ReplyError ? { code: error.code, ...error.details } : error),
  );

/** A thousand requests on a machine that is busy with other tests. */
const THOUSAND_TIMEOUT_MS = 180_000;

describe('a cancel behind a put', () => {
  test('P20: the put looks its receiver up → the cancel waits, then cancels it', async () => {
    const put = outcome(cluster.put('prefill-0', 'r', ['a']));
    const cancel = outcome(cluster.call('prefill-0', 'cancel', { request: 'r' }));
    expect(await Promise.all([put, cancel])).toEqual(['ok', 'ok']);
    expect(await cluster.ended('r')).toMatchObject({ end: 'cancelled' });
  });

  test('the put is refused → unknown_request', async () => {
    const put = outcome(cluster.put('prefill-0', 'r', ['a'], { receiver: 'nobody' }));
    const cancel = outcome(cluster.call('prefill-0', 'cancel', { request: 'r' }));
    expect(await Promise.all([put, cancel])).toEqual([{ code: 'unknown_receiver' }, { code: 'unknown_request' }]);
  });

  test(
    'T18: put, and cancel behind it, 1,000 times → cancelled, or known as ready',
    async () => {
      const told: Record<string, number> = {};
      for (let n = 0; n < 1000; n += 1) {
        const request = `r${n}`;
        const put = outcome(cluster.put('prefill-0', request, [request], { timeoutMs: 5000 }));
        if (n % 3 === 1) await cluster.clock.advance(n % 7);
        const cancel = await outcome(cluster.call('prefill-0', 'cancel', { request }));
        const { end } = await cluster.ended(request);
        const known = `put ${await put}, cancel ${cancel}, event ${end}`;
        told[known] = (told[known] ?? 0) + 1;
        if (end === 'ready') await cluster.call('decode-0', 'release', { request, epoch: prefill.epoch });
      }
      const allowed = [
        'put ok, cancel ok, event cancelled',
        'put ok, cancel ready, event ready',
        'put ok, cancel ok, event ready',
      ];
      expect(Object.keys(told).filter((known) => !allowed.includes(known))).toEqual([]);
      expect(told['put ok, cancel ok, event cancelled']).toBeGreaterThan(500);
      await cluster.clock.advance(10_000);
      expect((await cluster.status('decode-0')).pages).toMatchObject({ free: 8, ready: 0, writing: 0, quarantined: 0 });
    },
    THOUSAND_TIMEOUT_MS,
  );
});

describe('a put without a session that was read after a pause', () => {
  test('T17: the agent was stopped → agent_paused, and nothing is executed', async () => {
    cluster.halt(prefill);
    const put = outcome(cluster.put('prefill-0', 'r', ['a']));
    await cluster.clock.advance(1500);
    cluster.goOn(prefill);
    expect(await put).toEqual({ code: 'agent_paused' });
    expect((await cluster.status('prefill-0')).counters).toMatchObject({ pauses_noticed: 1 });
    expect(await outcome(cluster.put('prefill-0', 'r', ['a']))).toBe('ok');
    expect((await cluster.status('prefill-0')).counters).toMatchObject({ requests_accepted: 1 });
  });

  test('a short stop → the put is executed', async () => {
    cluster.halt(prefill);
    const put = outcome(cluster.put('prefill-0', 'r', ['a']));
    await cluster.clock.advance(400);
    cluster.goOn(prefill);
    expect(await put).toBe('ok');
  });

  test('NATS does not answer after the pause → puts are refused until it does', async () => {
    await cluster.cutOff(prefill, 100);
    cluster.halt(prefill);
    await cluster.clock.advance(1500);
    cluster.goOn(prefill);
    expect(await outcome(cluster.put('prefill-0', 'r', ['a']))).toBe('ok');
  });

  test('in a session → the put is executed in its turn', async () => {
    const session = '00000000000000f1';
    await cluster.call('prefill-0', 'open', { session, holder: 'e', silentMs: 5000 });
    const attach = { segment: 'engine', path: '/memory/prefill-0-engine', session, order: 0 };
    await cluster.call('prefill-0', 'attach', attach);
    cluster.halt(prefill);
    const put = outcome(cluster.put('prefill-0', 'r', ['a'], { session, order: 1 }));
    await cluster.clock.advance(1500);
    cluster.goOn(prefill);
    expect(await put).toBe('ok');
  });
});

describe('a repeated put outside a session', () => {
  test('P25: the first one was accepted → duplicate_batch names the epoch', async () => {
    const more = { last: false, totalChunks: 2 };
    await cluster.put('prefill-0', 'r', ['a'], more);
    expect(await outcome(cluster.put('prefill-0', 'r', ['a'], more))).toEqual({
      code: 'duplicate_batch',
      epoch: prefill.epoch,
    });
    await cluster.call('prefill-0', 'cancel', { request: 'r' });
    await cluster.ended('r');
    expect(await outcome(cluster.put('prefill-0', 'r', ['a'], more))).toEqual({
      code: 'request_ended',
      epoch: prefill.epoch,
    });
  });
});

test('P28: requests of all chunks that an agent takes end → it takes others', async () => {
  const offer = (request: string) => {
    const more = { receiver: undefined, last: false, totalChunks: CHUNKS_PER_REQUEST_MAX };
    return outcome(cluster.put('prefill-0', request, ['a'], more));
  };
  const names = Array.from({ length: CHUNKS_IN_PROGRESS_MAX / CHUNKS_PER_REQUEST_MAX }, (_, number) => `r${number}`);
  for (const name of names) expect(await offer(name)).toBe('ok');
  expect(await offer('next')).toEqual({ code: 'too_many_requests' });
  await cluster.call('prefill-0', 'cancel', { request: 'r0' });
  await cluster.ended('r0');
  expect([await offer('next'), await offer('last')]).toEqual(['ok', { code: 'too_many_requests' }]);
});

describe('a copy of a put while the agent takes no more puts', () => {
  const session = '00000000000000f1';
  const keys = Array.from({ length: KEYS_PER_BATCH_MAX }, (_, number) => `${number}`);
  const put = (request: string, more: object = {}) => outcome(cluster.call('prefill-0', 'put', batchOf(request, more)));
  const batchOf = (request: string, more: object): OperationInput<'put'> => ({
    ...{ request, receiver: 'decode-1', batch: 0, last: true, totalChunks: 1, timeoutMs: 30_000, keys: [request] },
    source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES }],
    ...more,
  });

  /** Puts that wait for their receiver: as many as the agent keeps. */
  function fill(): Promise<unknown> {
    const puts = CHUNKS_IN_PROGRESS_MAX / keys.length - 1;
    const large = Array.from({ length: puts }, (_, number) => put(`l${number}`, { keys, totalChunks: keys.length }));
    const small = Array.from({ length: keys.length / 64 }, (_, number) => put(`s${number}`));
    return Promise.all([...large, ...small]);
  }

  beforeEach(async () => {
    await cluster.agent('decode-1', 'decode');
    cluster.network.fate = ({ subject }) => ({ copies: 1, delayMs: subject.includes('.decode-1.') ? 100 : 0 });
  });

  test('P28: the order is under way → its copy gets its answer, a new one is refused', async () => {
    const attach = { segment: 'engine', path: '/memory/prefill-0-engine', session, order: 0 };
    const attached = cluster
      .call('prefill-0', 'open', { session, holder: 'e', silentMs: 30_000 })
      .then(() => cluster.call('prefill-0', 'attach', attach));
    await cluster.settle(attached);
    const first = put('r', { session, order: 1 });
    const others = fill();
    const answers = Promise.all([first, put('r', { session, order: 1 }), put('q', { session, order: 2 })]);
    expect(await cluster.settle(answers)).toEqual(['ok', 'ok', { code: 'too_many_requests' }]);
    await cluster.settle(others);
  });

  test('P28: 256 copies of one order wait → the next one is to come again', async () => {
    await cluster.settle(cluster.call('prefill-0', 'open', { session, holder: 'e', silentMs: 30_000 }));
    const copies = Array.from({ length: 258 }, () => put('r', { session, order: 0 }));
    const answers = await cluster.settle(Promise.all(copies));
    expect(answers.filter((answer) => answer !== 'ok')).toEqual([{ code: 'too_many_orders' }]);
    expect(await cluster.settle(put('r', { session, order: 0 }))).toBe('ok');
    // Those that were answered do not count any more.
    const later = Array.from({ length: 257 }, () => put('q', { session, order: 1, receiver: 'nobody' }));
    const refused = Array.from({ length: 257 }, () => ({ code: 'unknown_receiver' }));
    expect(await cluster.settle(Promise.all(later))).toEqual(refused);
  });

  test('P28: outside a session it was accepted → its copy is a duplicate', async () => {
    const first = { receiver: 'decode-0', last: false, totalChunks: 2 };
    await cluster.settle(put('r', first));
    const others = fill();
    const copy = put('r', first);
    expect(await cluster.settle(copy)).toEqual({ code: 'duplicate_batch', epoch: prefill.epoch });
    await cluster.settle(others);
    // Those that were refused do not count any more.
    const large = put('q', { keys, totalChunks: keys.length });
    expect(await cluster.settle(large)).toEqual({ code: 'invalid_field' });
  });

  test('P28: outside a session it looks its receiver up → its copy is a duplicate', async () => {
    const more = { last: false, totalChunks: 2 };
    const first = put('r', more);
    const others = fill();
    const copy = put('r', more);
    const answers = await cluster.settle(Promise.all([first, copy]));
    expect(answers).toEqual(['ok', { code: 'duplicate_batch', epoch: prefill.epoch }]);
    await cluster.settle(others);
  });

  test('P28: room for a small put only → a large one is refused', async () => {
    const puts = CHUNKS_IN_PROGRESS_MAX / keys.length - 1;
    const large = (name: string) => put(name, { keys, totalChunks: keys.length });
    const earlier = Array.from({ length: puts }, (_, number) => large(`l${number}`));
    const small = put('s');
    const answers = await cluster.settle(Promise.all([small, large('too-large'), put('r')]));
    expect(answers).toEqual(['ok', { code: 'too_many_requests' }, 'ok']);
    await cluster.settle(Promise.all(earlier));
  });
});

describe('sources', () => {
  test('a batch whose bytes are not sent → its positions, until they are', async () => {
    const write = cluster.fabrics.holdWrites();
    await cluster.put('prefill-0', 'r', ['a', 'b']);
    await cluster.put('prefill-0', 'q', ['c'], { last: false, totalChunks: 2 });
    await cluster.clock.until(() => write.held > 0);
    const sources = (body: object = {}) => cluster.call('prefill-0', 'sources', body);
    const { epoch } = prefill;
    const ofR = { request: 'r', batch: 0, positions: [0, 1] };
    const ofQ = { request: 'q', batch: 0, positions: [0] };
    expect(await sources()).toMatchObject({ epoch, batches: [ofQ, ofR] });
    expect(await sources({ request: 'r' })).toMatchObject({ batches: [ofR] });
    expect(await sources({ after: { request: 'q', batch: 0 } })).toMatchObject({ batches: [ofR] });
    expect(await sources({ session: '00000000000000f1' })).toMatchObject({ batches: [] });
    write.release();
    await cluster.ended('r');
    expect(await sources({ request: 'r' })).toEqual({ v: 2, ok: true, epoch, alone: false, batches: [] });
  });
});
