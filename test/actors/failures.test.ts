import { describe, expect, test } from 'vitest';
import { aboutConnection } from '../../src/protocol/connection-parties.js';
import type { PeerRequest } from '../../src/protocol/peer-messages.js';
import { subjects } from '../../src/protocol/subjects.js';
import { SealingFabric } from '../../src/sealing/sealing-fabric.js';
import { type Cluster, useCluster } from './support.js';

const clusters = useCluster();

const empty = { total: 8, free: 8, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 };

async function pair(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', ['k0', 'k1', 'k2', 'k3']);
  return made;
}

describe('cancel', () => {
  test('P5, T5: a write is cancelled → its page is not handed out before it has drained', async () => {
    const made = await pair();
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.clock.until(() => writes.held > 0);
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    expect(await made.ended('r1')).toMatchObject({ end: 'cancelled' });
    expect((await made.status('decode-0')).pages).toMatchObject({ free: 6, quarantined: 2 });
    writes.release();
    await made.clock.advance(1000);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('P4, T4: cancelling again and again, on both sides, is cancelling once', async () => {
    const made = await pair();
    const writes = made.fabrics.holdWrites();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.clock.until(() => writes.held > 0);
    expect(await made.call('decode-0', 'cancel', { request: 'r1' })).toMatchObject({ end: 'cancelled' });
    for (let again = 0; again < 3; again += 1) {
      expect(await made.call('decode-0', 'cancel', { request: 'r1', epoch })).toMatchObject({ end: 'cancelled' });
      await made.call('prefill-0', 'cancel', { request: 'r1' });
    }
    writes.release();
    await made.clock.advance(5000);
    expect(await made.call('prefill-0', 'cancel', { request: 'r1' })).toMatchObject({ end: 'cancelled' });
    expect(made.terminals).toMatchObject([{ request: 'r1', end: 'cancelled' }]);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('P6, T6: a message for a request that has ended → its recorded end, nothing more', async () => {
    const made = await pair();
    const writes = made.fabrics.holdWrites();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
    await made.clock.until(() => writes.held > 0);
    await made.call('decode-0', 'cancel', { request: 'r1' });
    writes.release();
    await made.clock.advance(5000);
    const batch = made.put('prefill-0', 'r1', ['k1'], { batch: 1, totalChunks: 2, first: 1 });
    await expect(batch).rejects.toMatchObject({ code: 'request_ended', end: 'cancelled' });
    const commit = {
      v: 2,
      request: 'r1',
      epoch,
      batch: 0,
      part: 0,
      pages: [0],
      generations: [1],
      lengths: [{ length: 64, count: 1 }],
    };
    const subject = subjects.peer('decode-0', '0000000000000001', 'prefill-0', 'commit');
    const late = made.client.request(subject, JSON.stringify(commit), { timeoutMs: 1000 });
    expect(JSON.parse(await made.settle(late))).toMatchObject({
      ok: false,
      error: { code: 'request_ended', end: 'cancelled' },
    });
    await expect(made.call('decode-0', 'acquire', { request: 'r1', epoch })).rejects.toMatchObject({
      code: 'request_ended',
      end: 'cancelled',
    });
    expect(made.terminals).toHaveLength(1);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('P6: a request id that has ended is not used again', async () => {
    const made = await pair();
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    await made.clock.advance(1000);
    await expect(made.put('prefill-0', 'r1', ['k0'])).rejects.toMatchObject({ code: 'request_ended', end: 'ready' });
  });
});

test("P7: the deadline counts from the first batch, also during the receiver's look-up", async () => {
  const made = await pair();
  made.network.fate = ({ subject }) => ({
    copies: subject.endsWith('.connect') ? 0 : 1,
    delayMs: subject.endsWith('.describe') ? 200 : 0,
  });
  const arrivedMs = made.clock.now();
  await made.put('prefill-0', 'r', ['k0'], { timeoutMs: 1000 });
  expect(made.clock.now() - arrivedMs).toBeGreaterThanOrEqual(400);
  expect(await made.ended('r')).toMatchObject({ end: 'expired' });
  expect(made.clock.now() - arrivedMs).toBe(1000);
});

describe('a write that fails', () => {
  test('S15: one refused chunk → the whole request ends, all source memory comes back', async () => {
    const made = await pair();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1'], { last: false, totalChunks: 4 });
    await made.clock.advance(1000);
    expect((await made.status('decode-0')).pages).toMatchObject({ ready: 2, reserved: 2 });
    made.fabrics.fate = () => ({ kind: 'fail', code: 'write_rejected' });
    await made.put('prefill-0', 'r1', ['k2', 'k3'], { batch: 1, totalChunks: 4, first: 2 });
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'write_rejected' } });
    await made.clock.advance(5000);
    expect((await made.status('decode-0')).pages).toEqual(empty);
    expect(made.released.map(({ batch, positions }) => [batch, positions])).toEqual([
      [0, [0, 1]],
      [1, [0, 1]],
    ]);
    expect(made.released.every((event) => event.epoch === epoch)).toBe(true);
  });

  test('P5: a connection breaks → its pages are free only when the remote key is revoked', async () => {
    const made = await pair();
    let reconnects = 0;
    await made.put('prefill-0', 'r0', ['k1'], { first: 1 });
    const { epoch } = await made.ended('r0');
    await made.call('decode-0', 'release', { request: 'r0', epoch });
    made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.connect') ? reconnects : 1, delayMs: 0 });
    made.fabrics.fate = () => ({ kind: 'break' });
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
    await made.clock.advance(1000);
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 1 });
    reconnects = 1;
    made.fabrics.fate = () => ({ kind: 'deliver', delayMs: 0 });
    await made.clock.advance(1000);
    const status = await made.status('decode-0');
    expect(status.pages).toEqual(empty);
    expect(status.counters).toMatchObject({ grants_revoked: 1 });
    await made.put('prefill-0', 'r2', ['k0']);
    expect(await made.ended('r2')).toMatchObject({ end: 'ready' });
  });

  test('P5: the remote key is being revoked → its pages are free only after that', async () => {
    const made = await pair();
    const revocations = made.fabrics.holdRevocations();
    made.fabrics.failNextWrite({ code: 'connection_lost', message: 'the cable', drained: false });
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'failed' });
    await made.clock.advance(1000);
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 1 });
    revocations.release();
    await made.clock.advance(1000);
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });

  test('P5: the receiver was declared dead → its pages wait for the revoked key too', async () => {
    const made = await pair();
    const { epoch } = await made.put('prefill-0', 'r0', ['k1'], { first: 1 });
    await made.ended('r0');
    await made.call('decode-0', 'release', { request: 'r0', epoch });
    made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.connect') ? 0 : 1, delayMs: 0 });
    made.fabrics.fate = () => ({ kind: 'break' });
    await made.put('prefill-0', 'r1', ['k0']);
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'connection_lost' } });
    await made.clock.advance(10_000);
    expect(await made.status('prefill-0')).toMatchObject({ peers: [], counters: { receivers_lost: 1 } });
    expect((await made.status('decode-0')).pages).toMatchObject({ quarantined: 1 });
    made.network.fate = () => ({ copies: 1, delayMs: 0 });
    made.fabrics.fate = () => ({ kind: 'deliver', delayMs: 0 });
    const second = await made.put('prefill-0', 'r2', ['k0']);
    expect(await made.ended('r2')).toMatchObject({ end: 'ready' });
    await made.call('decode-0', 'release', { request: 'r2', epoch: second.epoch });
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });
});

describe('messages that get lost', () => {
  test.each(['connect', 'allocate', 'commit'])(
    'the answer to %s is lost: it is asked again, and nothing happens twice',
    async (operation) => {
      const made = await pair();
      let lost = 0;
      made.network.fate = ({ kind, subject }) => {
        if (kind === 'message' || !subject.endsWith(`.${operation}`) || lost > 0) return { copies: 1, delayMs: 0 };
        lost += 1;
        return { copies: 0, delayMs: 0 };
      };
      const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
      expect(await made.ended('r1')).toMatchObject({ end: 'ready', chunks: 2, bytes: 128 });
      await made.clock.advance(10_000);
      expect(lost).toBe(1);
      expect(made.terminals).toHaveLength(1);
      expect((await made.status('prefill-0')).requestsTotal).toBe(0);
      await made.call('decode-0', 'release', { request: 'r1', epoch });
      expect((await made.status('decode-0')).pages).toEqual(empty);
    },
  );

  test('P12: the notice of the end is lost: the sender asks', async () => {
    const made = await pair();
    made.network.fate = ({ subject }) => ({ copies: subject.endsWith('.ended') ? 0 : 1, delayMs: 0 });
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    await made.clock.advance(3000);
    expect(await made.status('prefill-0')).toMatchObject({ requestsTotal: 0, counters: { requests_sent_ready: 1 } });
  });

  test('P7, P12: notices about joined chunks are lost → the sender asks', async () => {
    const made = await pair();
    await made.agent('prefill-1', 'prefill');
    await made.segment('prefill-1', 'engine', ['k0', 'k1', 'k2', 'k3']);
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'a', ['k0']);
    await made.clock.until(() => writes.held > 0);
    await made.put('prefill-1', 'b', ['k0'], { timeoutMs: 300_000 });
    await made.clock.advance(100);
    made.network.fate = ({ subject }) => ({ copies: /\.(joined|ended)$/.test(subject) ? 0 : 1, delayMs: 0 });
    writes.release();
    expect(await made.ended('b')).toMatchObject({ end: 'ready', joined: 1 });
    await made.clock.advance(3000);
    expect(made.released.filter(({ request }) => request === 'b')).toMatchObject([{ positions: [0] }]);
    expect(await made.status('prefill-1')).toMatchObject({ requestsTotal: 0, counters: { requests_sent_ready: 1 } });
  });

  test('every message arrives three times: nothing happens more than once', async () => {
    const made = await pair();
    made.network.fate = ({ subject }) => ({ copies: subject.includes('.peer.') ? 3 : 1, delayMs: 0 });
    const { epoch } = await made.put('prefill-0', 'r1', ['k0', 'k1']);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    await made.clock.advance(5000);
    expect(made.terminals).toHaveLength(1);
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    expect((await made.status('decode-0')).pages).toEqual(empty);
  });
});

describe('deadlines', () => {
  test('P7, T7: a request waits for pages until its deadline → the others are served', async () => {
    const made = await pair();
    const { epoch } = await made.put('prefill-0', 'holder', ['k0', 'k1'], { last: false, totalChunks: 8 });
    await made.clock.advance(100);
    await made.put('prefill-0', 'waits', ['k2'], { first: 2, timeoutMs: 3000 });
    await made.clock.advance(100);
    expect(await made.status('decode-0')).toMatchObject({ queued: 1 });
    await made.put('prefill-0', 'shares', ['k0', 'k1']);
    expect(await made.ended('shares')).toMatchObject({ end: 'ready', deduplicated: 2 });
    await made.call('decode-0', 'release', { request: 'shares', epoch });
    expect(await made.ended('waits')).toMatchObject({ end: 'expired', reason: { code: 'deadline_exceeded' } });
    await made.call('prefill-0', 'cancel', { request: 'holder' });
    expect(await made.ended('holder')).toMatchObject({ end: 'cancelled' });
    await made.clock.advance(1000);
    expect(await made.status('decode-0')).toMatchObject({ pages: empty, queued: 0 });
  });

  test('P8: a request that can never fit fails at once', async () => {
    const made = await pair();
    await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 9 });
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'request_too_large' } });
    expect(made.clock.now()).toBeLessThan(1000);
  });
});

describe('P9: an answer that cannot be true', () => {
  test('a bad reply is refused with its field, and the receiver gives everything back', async () => {
    const made = clusters.create();
    const epoch = 'a'.repeat(16);
    const heard: { operation: string; reason?: { code: string; field: string } }[] = [];
    const liar = made.network.connect('liar');
    const arena = { path: '/memory/liar', epoch, pageBytes: 64, pages: 8 };
    const endpoints = [{ provider: 'memory', detail: 'memory', address: 'liar' }];
    const answers: Record<string, object> = {
      describe: {
        agent: 'decode-0',
        epoch,
        role: 'decode',
        state: 'running',
        version: 'x',
        heartbeatMs: 60_000,
        endpoints,
        unavailable: [],
        arena,
      },
      allocate: {
        allocation: { grant: 'memory-liar-1', pages: [1, 1], generations: [1, 1], alreadySent: [], joined: [] },
      },
      abort: { end: 'failed' },
      drained: {},
    };
    const fabric = new SealingFabric(made.fabrics.open('liar'), () => new Uint8Array(32).fill(7));
    await made.settle(fabric.createArena({ path: '/memory/liar', pageBytes: 64, pages: 8 }));
    endpoints[0] = { ...fabric.endpoints()[0] } as (typeof endpoints)[0];
    const grantTo = async ({ epoch: sender, publicKey, connection }: PeerRequest<'connect'>) => {
      const about = aboutConnection({ agent: 'decode-0', epoch }, { agent: 'prefill-0', epoch: sender }, connection);
      return { grant: await fabric.grant('memory', { publicKey, about }) };
    };
    const answer = async (operation: string, body: string, respond: (text: string) => void) => {
      const message = JSON.parse(body);
      heard.push({ operation, ...message });
      const fields = operation === 'connect' ? await grantTo(message) : answers[operation];
      respond(JSON.stringify({ v: 2, ok: true, ...fields }));
    };
    for (const subject of [subjects.operations('decode-0'), subjects.peers('decode-0', epoch)]) {
      liar.subscribe(subject, (message) => {
        const operation = message.subject.slice(message.subject.lastIndexOf('.') + 1);
        void answer(operation, message.body, (text) => message.respond(text));
      });
    }
    await made.agent('prefill-0', 'prefill');
    await made.segment('prefill-0', 'engine', ['k0', 'k1']);
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.clock.until(() => heard.some(({ operation }) => operation === 'drained'));
    expect(heard.map(({ operation }) => operation)).toEqual(['describe', 'connect', 'allocate', 'abort', 'drained']);
    expect(heard[3]?.reason).toMatchObject({ code: 'inconsistent_reply', field: 'pages' });
    expect(made.released).toMatchObject([{ request: 'r1', positions: [0, 1] }]);
  });
});

describe('P13, P14: epochs', () => {
  test('a sender is gone → after three heartbeats a terminal event and free pages', async () => {
    const made = await pair();
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.clock.until(() => writes.held > 0);
    made.network.fate = ({ from, to }) => ({ copies: from === 'prefill-0' || to === 'prefill-0' ? 0 : 1, delayMs: 0 });
    const before = made.clock.now();
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'sender_lost' } });
    expect(made.clock.now() - before).toBeLessThanOrEqual(3000);
    await made.clock.advance(100);
    expect((await made.status('decode-0')).pages).toEqual(empty);
    writes.release();
  });

  test('a receiver is gone → its sender announces a typed error before the deadline', async () => {
    const made = await pair();
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'r1', ['k0', 'k1']);
    await made.clock.until(() => writes.held > 0);
    made.network.fate = ({ from, to }) => ({ copies: from === 'decode-0' || to === 'decode-0' ? 0 : 1, delayMs: 0 });
    const before = made.clock.now();
    expect(await made.ended('r1')).toMatchObject({ end: 'failed', reason: { code: 'receiver_lost' } });
    expect(made.clock.now() - before).toBeLessThanOrEqual(10_000);
    expect(made.released.flatMap(({ positions }) => positions)).toEqual([0, 1]);
    writes.release();
  });
});

describe('stopping', () => {
  test('a decode agent that stops gets another request → agent_draining', async () => {
    const made = clusters.create();
    const decode = await made.agent('decode-0', 'decode');
    await made.agent('prefill-0', 'prefill');
    await made.segment('prefill-0', 'engine', ['k0', 'k1']);
    const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    const stopped = decode.stop();
    await made.put('prefill-0', 'r2', ['k1'], { first: 1 });
    expect(await made.ended('r2')).toMatchObject({ end: 'failed', reason: { code: 'agent_draining' } });
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    await made.settle(stopped);
  });

  test('an agent that stops takes nothing new, lets requests end, and closes', async () => {
    const made = clusters.create();
    const decode = await made.agent('decode-0', 'decode');
    const prefill = await made.agent('prefill-0', 'prefill');
    await made.segment('prefill-0', 'engine', ['k0', 'k1']);
    const writes = made.fabrics.holdWrites();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
    await made.clock.until(() => writes.held > 0);
    const stopped = prefill.stop();
    await expect(made.put('prefill-0', 'r2', ['k1'], { first: 1 })).rejects.toMatchObject({ code: 'agent_draining' });
    writes.release();
    await made.settle(stopped);
    expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
    const closing = decode.stop();
    await made.call('decode-0', 'release', { request: 'r1', epoch });
    await made.settle(closing);
    await expect(made.call('decode-0', 'status', { limit: 1 })).rejects.toMatchObject({ code: 'no_responders' });
  });
});

test('S5, P5: a write drains slowly → source memory is not given back before', async () => {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill', { writeDrainTimeoutMs: 500 });
  await made.segment('prefill-0', 'engine', ['a']);
  made.fabrics.holdWrites();
  await made.put('prefill-0', 'r1', ['a']);
  await made.settle(made.fabrics.holding(1));
  const stopped = made.freeze(decode, 20_000);
  await made.call('prefill-0', 'cancel', { request: 'r1' });
  await made.clock.advance(1000);
  expect(made.released).toEqual([]);
  // The receiver is lost, and the connection closed.
  await made.clock.advance(3000);
  expect(made.released).toMatchObject([{ request: 'r1', positions: [0] }]);
  await stopped;
});
