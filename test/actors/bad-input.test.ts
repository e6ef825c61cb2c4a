/** Every way to say something wrong: a typed error that names the field, counted, and nothing changed. */
import { describe, expect, test } from 'vitest';
import { KEY_BYTES_MAX } from '../../src/protocol/limits.js';
import { subjects } from '../../src/protocol/subjects.js';
import { type Cluster, PAGE_BYTES, publicKeyOf, useCluster } from './support.js';

const clusters = useCluster();

const put = {
  v: 2,
  request: 'r2',
  receiver: 'decode-0',
  batch: 0,
  last: true,
  totalChunks: 1,
  timeoutMs: 1000,
  keys: ['k9'],
  source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: 1 }],
};
const segment = put.source[0] as (typeof put.source)[0];

interface Case {
  readonly name: string;
  readonly agent: string;
  readonly operation: string;
  readonly body: object | string;
  readonly code: string;
  readonly field?: string;
}

const at =
  (agent: string, operation: string) =>
  (name: string, body: object | string, code: string, field?: string): Case => ({
    name,
    agent,
    operation,
    body,
    code,
    ...(field === undefined ? {} : { field }),
  });
const atPut = at('prefill-0', 'put');
const atPrefill = (operation: string) => at('prefill-0', operation);
const atDecode = (operation: string) => at('decode-0', operation);

const cases: Case[] = [
  atPut('malformed JSON', '{"v":2,', 'malformed_json'),
  atPut('not an object', '[]', 'invalid_field', 'message'),
  atPut('another version', { ...put, v: 3 }, 'unsupported_version', 'v'),
  atPut('an unknown field', { ...put, priority: 1 }, 'invalid_field', 'priority'),
  atPut('an unknown field inside', { ...put, source: [{ ...segment, node: 1 }] }, 'invalid_field', 'source[0].node'),
  atPut('a missing field', { ...put, keys: undefined }, 'invalid_field', 'keys'),
  atPut('a wrong type', { ...put, batch: '0' }, 'invalid_field', 'batch'),
  atPut('a negative batch', { ...put, batch: -1 }, 'invalid_field', 'batch'),
  atPut('a fraction', { ...put, totalChunks: 0.5 }, 'invalid_field', 'totalChunks'),
  atPut('no time', { ...put, timeoutMs: 0 }, 'invalid_field', 'timeoutMs'),
  atPut('a key too long', { ...put, keys: ['k'.repeat(KEY_BYTES_MAX + 1)] }, 'invalid_field', 'keys[0]'),
  atPut('a key with a line end', { ...put, keys: ['k\n1'] }, 'invalid_field', 'keys[0]'),
  atPut('an empty request id', { ...put, request: '' }, 'invalid_field', 'request'),
  atPut('a negative offset', { ...put, source: [{ ...segment, offset: -1 }] }, 'invalid_field', 'source[0].offset'),
  atPut(
    'an offset outside',
    { ...put, source: [{ ...segment, offset: PAGE_BYTES * 2 }] },
    'invalid_field',
    'source[0]',
  ),
  atPut(
    'more than a page',
    { ...put, source: [{ ...segment, length: PAGE_BYTES + 1 }] },
    'invalid_field',
    'source[0].length',
  ),
  atPut('fewer places than keys', { ...put, source: [] }, 'invalid_field', 'source'),
  atPut('more places than keys', { ...put, source: [segment, segment] }, 'invalid_field', 'source'),
  atPut(
    'an unknown segment',
    { ...put, source: [{ ...segment, segment: 'x' }] },
    'segment_not_found',
    'source[0].segment',
  ),
  atPut('an unknown receiver', { ...put, receiver: 'decode-9' }, 'unknown_receiver', 'receiver'),
  atPut('a receiver without an arena', { ...put, receiver: 'prefill-0' }, 'role_mismatch', 'receiver'),
  atPut('a batch put before', { ...put, request: 'r1' }, 'duplicate_batch', 'batch'),
  atPut('a batch ahead of its turn', { ...put, request: 'r1', batch: 2 }, 'batch_out_of_order', 'batch'),
  atPut('another total', { ...put, request: 'r1', batch: 1, totalChunks: 9 }, 'invalid_field', 'totalChunks'),
  atPut('too few chunks at the end', { ...put, totalChunks: 2 }, 'invalid_field', 'totalChunks'),
  atPut('too many chunks', { ...put, totalChunks: 0 }, 'invalid_field', 'totalChunks'),
  atPut(
    'a key twice',
    { ...put, totalChunks: 2, keys: ['k9', 'k9'], source: [{ ...segment, count: 2 }] },
    'invalid_field',
    'keys[1]',
  ),
  atPut('an empty batch that is not the last', { ...put, last: false, keys: [], source: [] }, 'invalid_field', 'keys'),
  atPut(
    'a staging page that was not lent',
    { ...put, source: [{ ...segment, segment: 'staging-0000000000000002' }] },
    'staging_not_lent',
    'source[0]',
  ),
  atPrefill('cancel')('an unknown request', { v: 2, request: 'nobody' }, 'unknown_request', 'request'),
  atPrefill('attach')(
    'a file that is not there',
    { v: 2, segment: 's', path: '/memory/none' },
    'segment_not_found',
    'path',
  ),
  atPrefill('attach')('a relative path', { v: 2, segment: 's', path: 'x' }, 'invalid_field', 'path'),
  atPrefill('attach')('a name in use', { v: 2, segment: 'engine', path: '/memory/other' }, 'segment_exists', 'segment'),
  atPrefill('attach')('a path with NUL', { v: 2, segment: 's', path: '/a\0b' }, 'invalid_field', 'path'),
  atPut('a session without a number', { ...put, session: '0'.repeat(16) }, 'invalid_field', 'order'),
  atPut('a number without a session', { ...put, order: 0 }, 'invalid_field', 'session'),
  atPut('an unknown session', { ...put, session: '0'.repeat(16), order: 0 }, 'unknown_session', 'session'),
  atPrefill('renew')('an unknown session', { v: 2, session: '0'.repeat(16) }, 'unknown_session', 'session'),
  atPrefill('barrier')('an unknown session', { v: 2, session: '0'.repeat(16), order: 1 }, 'unknown_session', 'session'),
  atPrefill('end')('an unknown session', { v: 2, session: '0'.repeat(16) }, 'unknown_session', 'session'),
  atPrefill('open')(
    'no silence',
    { v: 2, session: '0'.repeat(16), holder: 'e', silentMs: 0 },
    'invalid_field',
    'silentMs',
  ),
  atDecode('open')(
    'a receiver',
    { v: 2, session: '0'.repeat(16), holder: 'e', silentMs: 5000 },
    'role_mismatch',
    'subject',
  ),
  atDecode('cancel')(
    'an order of a session',
    { v: 2, request: 'r1', session: '0'.repeat(16), order: 0 },
    'role_mismatch',
    'session',
  ),
  atPrefill('detach')('an unknown segment', { v: 2, segment: 's' }, 'segment_not_found', 'segment'),
  atPrefill('detach')('a segment in use', { v: 2, segment: 'engine' }, 'segment_in_use', 'segment'),
  atPrefill('stage')('more pages than there are', { v: 2, holder: 'e', pages: 5 }, 'staging_exhausted', 'pages'),
  atPrefill('unstage')('a page not lent', { v: 2, holder: 'e', offsets: [0] }, 'staging_not_lent', 'offsets[0]'),
  atPrefill('acquire')('a sender', { v: 2, request: 'r', epoch: '0'.repeat(16) }, 'role_mismatch', 'subject'),
  atPrefill('fly')('an unknown operation', { v: 2 }, 'unknown_operation', 'subject'),
  atDecode('put')('a receiver', put, 'role_mismatch', 'subject'),
  atDecode('put')('a body that is not read', '{"v":2,', 'role_mismatch', 'subject'),
  atDecode('acquire')(
    'an unknown request',
    { v: 2, request: 'x', epoch: '0'.repeat(16) },
    'unknown_request',
    'request',
  ),
  atDecode('acquire')('a bad epoch', { v: 2, request: 'x', epoch: 'now' }, 'invalid_field', 'epoch'),
  atDecode('release')(
    'an unknown request',
    { v: 2, request: 'x', epoch: '0'.repeat(16) },
    'unknown_request',
    'request',
  ),
  atDecode('release')(
    'a request that is arriving',
    { v: 2, request: 'r1', epoch: '0000000000000002' },
    'request_active',
    'request',
  ),
  atDecode('cancel')('an unknown request', { v: 2, request: 'x' }, 'unknown_request', 'request'),
  atDecode('status')('too many rows', { v: 2, limit: 1e9 }, 'invalid_field', 'limit'),
];

/** A pair in which request r1 is half put: its first batch is ready, its second has not come. */
async function halfway(): Promise<Cluster> {
  const cluster = clusters.create();
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', ['k0', 'k1']);
  cluster.fabrics.files.set('/memory/other', new Uint8Array(2 * PAGE_BYTES));
  const write = cluster.fabrics.holdWrites();
  await cluster.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
  await cluster.clock.until(() => write.held > 0);
  return cluster;
}

function withoutTimes(status: object): unknown {
  return JSON.parse(
    JSON.stringify(status, (name, value) => (['uptimeMs', 'ageMs', 'counters'].includes(name) ? undefined : value)),
  );
}

describe('public operations refuse', () => {
  test.each(cases)('$operation: $name → $code', async ({ agent, operation, body, code, field }) => {
    const cluster = await halfway();
    const before = { decode: await cluster.status('decode-0'), prefill: await cluster.status('prefill-0') };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const subject = subjects.operation(agent, 'default', operation as 'put');
    const answer = JSON.parse(await cluster.settle(cluster.client.request(subject, text, { timeoutMs: 10_000 })));
    expect(answer).toMatchObject({ v: 2, ok: false, error: { code, ...(field === undefined ? {} : { field }) } });
    const after = { decode: await cluster.status('decode-0'), prefill: await cluster.status('prefill-0') };
    expect(withoutTimes(after)).toEqual(withoutTimes(before));
    const refused = agent === 'decode-0' ? after.decode.counters : after.prefill.counters;
    expect(refused).toMatchObject({ messages_refused: 1, [`errors_${code}`]: 1 });
  });
});

const decodeEpoch = '0000000000000001';
const prefillEpoch = '0000000000000002';
const connect = {
  ...{ v: 2, epoch: prefillEpoch, heartbeatMs: 10, provider: 'memory', connection: 9 },
  publicKey: publicKeyOf('prefill-0', prefillEpoch),
};
const othersKey = publicKeyOf('prefill-1', prefillEpoch);
const commit = { v: 2, request: 'r1', epoch: prefillEpoch, batch: 0, part: 0, pages: [0], generations: [1] };
const lengths = [{ length: PAGE_BYTES, count: 1 }];
const allocate = {
  v: 2,
  request: 'r1',
  epoch: prefillEpoch,
  grant: 'no-such-grant',
  batch: 1,
  last: true,
  totalChunks: 2,
  timeoutMs: 1000,
  keys: ['k1'],
  lengths,
};

describe('messages between agents are refused', () => {
  test.each([
    ['commit', 'a stale generation', { ...commit, generations: [7], lengths }, 'stale_handle', 'generations[0]'],
    ['commit', 'another page', { ...commit, pages: [3], lengths }, 'stale_handle', 'pages[0]'],
    [
      'commit',
      'fewer pages than were allocated',
      { ...commit, pages: [], generations: [], lengths: [] },
      'stale_handle',
      'pages',
    ],
    ['commit', 'other lengths', { ...commit, lengths: [{ length: 1, count: 1 }] }, 'length_mismatch', 'lengths'],
    ['commit', 'a batch that was never allocated', { ...commit, batch: 5, lengths }, 'stale_handle', 'batch'],
    ['commit', 'an unknown request', { ...commit, request: 'x', lengths }, 'unknown_request', 'request'],
    ['allocate', 'an unknown grant', allocate, 'stale_grant', 'grant'],
    ['allocate', 'a sender that never connected', { ...allocate, epoch: 'f'.repeat(16) }, 'stale_grant', 'grant'],
    ['connect', 'a connection older than the one there is', { ...connect, connection: 0 }, 'stale_grant', 'connection'],
    [
      'connect',
      'a provider that is not offered',
      { ...connect, provider: 'verbs' },
      'provider_unavailable',
      'provider',
    ],
    ['connect', 'the public key of another process', { ...connect, publicKey: othersKey }, 'not_yours', 'publicKey'],
    ['connect', 'a public key that is short', { ...connect, publicKey: 'AAAA' }, 'invalid_field', 'publicKey'],
    ['connect', 'no public key', { ...connect, publicKey: undefined }, 'invalid_field', 'publicKey'],
    ['inquire', 'an unknown request', { v: 2, request: 'x', epoch: prefillEpoch }, 'unknown_request', 'request'],
    ['put', 'an operation agents do not have', {}, 'unknown_operation', 'subject'],
  ])('%s with %s is refused', async (operation, _, body, code, field) => {
    const cluster = await halfway();
    const before = await cluster.status('decode-0');
    const subject = subjects.peer('decode-0', decodeEpoch, 'prefill-0', operation as 'commit');
    const request = cluster.client.request(subject, JSON.stringify(body), { timeoutMs: 10_000 });
    expect(JSON.parse(await cluster.settle(request))).toMatchObject({ ok: false, error: { code, field } });
    expect(withoutTimes(await cluster.status('decode-0'))).toEqual(withoutTimes(before));
  });
});
