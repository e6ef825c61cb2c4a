/** What another program may ask of an agent is bounded: processes of one name, connections, segments, requests that only end (P28). */
import { expect, test } from 'vitest';
import { decodeReply, toFailure } from '../../src/protocol/codec.js';
import { type PeerReply, type PeerRequest, peerSchemas } from '../../src/protocol/peer-messages.js';
import { type PeerOperation, subjects } from '../../src/protocol/subjects.js';
import { type Cluster, publicKeyOf, useCluster } from './support.js';

const clusters = useCluster();
const RECEIVER = '0000000000000001';

/** The answer, or the failure. `to`: the only agent, which has the first epoch. */
async function ask<O extends PeerOperation>(
  made: Cluster,
  from: string,
  operation: O,
  message: Omit<PeerRequest<O>, 'v'>,
  to = 'decode-0',
) {
  const subject = subjects.peer(to, RECEIVER, from, operation);
  const asked = made.client.request(subject, JSON.stringify({ v: 2, ...message }), { timeoutMs: 1000 });
  try {
    return decodeReply(peerSchemas[operation].reply, await made.settle(asked));
  } catch (error) {
    return toFailure(error);
  }
}

async function connect(made: Cluster, message: Partial<PeerRequest<'connect'>>, from = 'ghost') {
  const whole = {
    epoch: 'a'.repeat(16),
    heartbeatMs: 1000,
    provider: 'memory',
    connection: 1,
    publicKey: publicKeyOf('ghost', 'a'.repeat(16)),
  } as const;
  const answer = await ask(made, from, 'connect', { ...whole, ...message });
  return 'grant' in answer ? (answer as PeerReply<'connect'>).grant.provider : answer;
}

const epochOf = (number: number) => `${number}`.padStart(16, 'b');

test('P28: a fifth process of one name connects → refused, until one is declared dead', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  for (let number = 1; number <= 4; number += 1) expect(await connect(made, { epoch: epochOf(number) })).toBe('memory');
  const refused = { code: 'too_many_requests', field: 'subject' };
  expect(await connect(made, { epoch: epochOf(5) })).toMatchObject(refused);
  expect(await connect(made, { epoch: epochOf(6) }, 'other')).toBe('memory');
  await made.clock.advance(10_000);
  expect(await connect(made, { epoch: epochOf(5) })).toBe('memory');
});

test('P28: a connection with the last of all numbers → refused, and the sender goes on', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  expect(await connect(made, { connection: 1 })).toBe('memory');
  expect(await connect(made, { connection: Number.MAX_SAFE_INTEGER })).toMatchObject({
    code: 'invalid_field',
    field: 'connection',
  });
  expect(await connect(made, { connection: 2 })).toBe('memory');
});

test('P28: one session attaches all it can → others still find room', async () => {
  const made = clusters.create();
  await made.agent('prefill-0', 'prefill', { segmentsMax: 100 });
  made.fabrics.files.set('/memory/s', new Uint8Array(1));
  const [greedy, other] = ['a'.repeat(16), 'b'.repeat(16)];
  for (const session of [greedy, other])
    await made.call('prefill-0', 'open', { session, holder: 'e', silentMs: 60_000 });
  const attach = (segment: string, order: { session: string; order: number } | object) =>
    made.call('prefill-0', 'attach', { segment, path: '/memory/s', ...order }).catch(toFailure);
  for (let order = 0; order < 25; order += 1) await attach(`g${order}`, { session: greedy, order });
  const refused = { code: 'too_many_segments', field: 'segment' };
  expect(await attach('g25', { session: greedy, order: 25 })).toMatchObject(refused);
  expect(await attach('o', { session: other, order: 0 })).toMatchObject({ bytes: 1 });
  for (let number = 0; number < 50; number += 1) await attach(`u${number}`, {});
  expect(await attach('u50', {})).toMatchObject(refused);
  await made.call('prefill-0', 'detach', { segment: 'u0' });
  expect(await attach('u50', {})).toMatchObject({ bytes: 1 });
});

test('P28: reports of requests that no sender has → as many as the agent keeps', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { requestsMax: 1 });
  const members = [{ sender: 'ghost', receiver: 'decode-0' }];
  const counts = { chunks: 0, deduplicated: 0, joined: 0, bytes: 0, timeoutMs: 60_000 };
  const report = (request: string) =>
    ask(made, 'ghost', 'report', {
      request,
      epoch: 'a'.repeat(16),
      ranks: { rank: 0, members },
      state: 'running',
      ...counts,
    });
  expect(await report('r0')).toEqual({ v: 2, ok: true });
  expect(await report('r1')).toMatchObject({ ok: true });
  expect(await report('r2')).toMatchObject({ code: 'too_many_requests', field: 'request' });
});

test('P28: aborts of unknown requests with a silent lead → not any number', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { requestsMax: 1 });
  const members = ['decode-9', 'decode-0'].map((receiver, rank) => ({ sender: `ghost-${rank}`, receiver }));
  const abort = (request: string) =>
    ask(made, 'ghost-1', 'abort', {
      ...{
        request,
        epoch: 'a'.repeat(16),
        totalChunks: 1,
        end: 'failed',
        ranks: { rank: 1, members },
      },
      reason: { code: 'internal', message: 'broken' },
    });
  expect(await connect(made, {}, 'ghost-1')).toBe('memory');
  const waiting = { code: 'deadline_exceeded' };
  expect(await abort('r0')).toMatchObject(waiting);
  expect(await abort('r1')).toMatchObject(waiting);
  expect(await abort('r2')).toMatchObject({ code: 'too_many_requests', field: 'request' });
});

test('P28: appeals for requests that were never put → as many as the agent sees to', async () => {
  const made = clusters.create();
  await made.agent('prefill-0', 'prefill', { requestsMax: 2 });
  const members = [
    { sender: 'prefill-0', receiver: 'decode-9' },
    { sender: 'ghost', receiver: 'decode-8' },
  ];
  const reason = { code: 'receiver_lost' as const, message: 'gone' };
  const appeal = (request: string) =>
    ask(
      made,
      'ghost',
      'appeal',
      { request, epoch: 'a'.repeat(16), ranks: { rank: 1, members }, reason, timeoutMs: 60_000 },
      'prefill-0',
    );
  for (const request of ['r0', 'r1']) expect(await appeal(request)).toMatchObject({ ok: true });
  expect(await appeal('r2')).toMatchObject({ code: 'too_many_requests', field: 'request' });
  expect(await appeal('r1')).toMatchObject({ ok: true });
});
