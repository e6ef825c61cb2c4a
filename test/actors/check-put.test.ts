import { expect, test } from 'vitest';
import { checkPut, type PutSoFar, type PutSurroundings } from '../../src/actors/sending/check-put.js';
import { toFailure } from '../../src/protocol/codec.js';
import type { Failure, Ranks } from '../../src/protocol/fields.js';
import { MESSAGE_BYTES_MAX } from '../../src/protocol/limits.js';
import type { PutRequest } from '../../src/protocol/operations.js';

const PAGE_BYTES = 64;

const batch0: PutRequest = {
  v: 1,
  request: 'r',
  receiver: 'decode-0',
  batch: 0,
  last: false,
  totalChunks: 3,
  timeoutMs: 1000,
  keys: ['a', 'b'],
  source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: 2 }],
};
const batch1: PutRequest = {
  ...batch0,
  batch: 1,
  last: true,
  keys: ['c'],
  source: [{ segment: 'engine', offset: 128, length: PAGE_BYTES, count: 1 }],
};
/** What is known after batch 0. */
const before: PutSoFar = {
  receiver: 'decode-0',
  totalChunks: 3,
  ranks: undefined,
  session: undefined,
  batches: 1,
  chunks: 2,
  lastIn: false,
  isOpen: true,
};
const idle: PutSurroundings = {
  agent: 'prefill-0',
  epoch: '00000000000000aa',
  pageBytes: PAGE_BYTES,
  before: undefined,
  requests: 0,
  requestsMax: 1,
  chunks: 0,
  messageBytesMax: MESSAGE_BYTES_MAX,
};
const ranks: Ranks = {
  rank: 0,
  members: [
    { sender: 'prefill-0', receiver: 'decode-0' },
    { sender: 'prefill-1', receiver: 'decode-1' },
  ],
};

function refusal(put: PutRequest, surroundings: PutSurroundings): Failure | undefined {
  try {
    checkPut(put, surroundings);
    return undefined;
  } catch (error) {
    return toFailure(error);
  }
}

/** Batch 0 of a new request. */
const first = (put: Partial<PutRequest>, around: Partial<PutSurroundings> = {}) =>
  refusal({ ...batch0, ...put }, { ...idle, ...around });
/** Batch 1, after batch 0. */
const second = (put: Partial<PutRequest>, known: Partial<PutSoFar> = {}) =>
  refusal({ ...batch1, ...put }, { ...idle, requests: 1, before: { ...before, ...known } });

test('a first batch fits', () => {
  expect(first({})).toBeUndefined();
});

test('a last batch that completes the request fits, also when the agent is full', () => {
  expect(second({})).toBeUndefined();
});

test('an empty last batch fits when every chunk was put before', () => {
  expect(second({ totalChunks: 2, keys: [], source: [] }, { totalChunks: 2 })).toBeUndefined();
});

test('one rank of several fits', () => {
  expect(first({ ranks })).toBeUndefined();
  expect(second({ ranks }, { ranks })).toBeUndefined();
});

test('a batch that was put before is refused', () => {
  expect(second({ batch: 0 })).toEqual({
    code: 'duplicate_batch',
    field: 'batch',
    message: 'batch 0 of request r was already put',
  });
});

test('a batch that comes too early is refused', () => {
  const early = { code: 'batch_out_of_order', field: 'batch' };
  expect(first({ batch: 1 })).toEqual({ ...early, message: 'batch 1 of request r came before batch 0' });
  expect(second({ batch: 2 })).toEqual({ ...early, message: 'batch 2 of request r came before batch 1' });
});

test('a new request is refused when the agent has as many as it takes', () => {
  expect(first({}, { requests: 1 })).toEqual({
    code: 'too_many_requests',
    field: 'request',
    message: 'agent prefill-0 has 1 requests in progress and takes no more',
  });
});

test('a batch after the last one is refused', () => {
  expect(second({}, { lastIn: true, isOpen: false })).toEqual({
    code: 'invalid_field',
    field: 'batch',
    message: 'batch 0 of request r was the last one',
  });
});

test('a batch of a request that is being given up is refused', () => {
  expect(second({}, { isOpen: false })).toEqual({
    code: 'request_active',
    field: 'request',
    message: 'request r is being given up',
  });
});

test.each([
  ['receiver', { receiver: 'decode-1' }, 'receiver decode-1 differs from that of batch 0 (decode-0)'],
  ['totalChunks', { totalChunks: 4 }, 'totalChunks 4 differs from that of batch 0 (3)'],
  ['ranks', { ranks }, 'ranks differ from those of batch 0'],
])('a batch with another %s than batch 0 is refused', (field, put, message) => {
  expect(second(put)).toEqual({ code: 'invalid_field', field, message });
});

const [lead, other] = ranks.members as [Ranks['members'][0], Ranks['members'][0]];
test.each<[string, Ranks, string, string]>([
  ['a rank without a member', { ...ranks, rank: 2 }, 'ranks.rank', 'rank 2 does not exist: members names 2'],
  [
    "another agent's rank",
    { ...ranks, rank: 1 },
    'ranks.members[1].sender',
    'sender prefill-1 of rank 1 differs from this agent (prefill-0)',
  ],
  [
    'another receiver than that of the put',
    { ...ranks, members: [{ ...lead, receiver: 'decode-9' }, other] },
    'ranks.members[0].receiver',
    'receiver decode-9 of rank 0 differs from that of the put (decode-0)',
  ],
  [
    'one sender for two ranks',
    { ...ranks, members: [lead, { ...other, sender: 'prefill-0' }] },
    'ranks.members[1].sender',
    'sender prefill-0 has two ranks: every rank needs its own prefill agent',
  ],
])('a put with %s is refused', (_, wrong, field, message) => {
  expect(first({ ranks: wrong })).toEqual({ code: 'invalid_field', field, message });
});

test('an empty batch that is not the last is refused', () => {
  expect(first({ keys: [], source: [] })).toEqual({
    code: 'invalid_field',
    field: 'keys',
    message: 'only the last batch may be empty',
  });
});

test.each([
  ['too many chunks', { last: false, keys: ['c', 'd'] }, 4],
  ['too few chunks in the last batch', { totalChunks: 3, keys: [] }, 2],
])('a put with %s is refused too', (_, put, chunks) => {
  expect(second(put)).toEqual({
    code: 'invalid_field',
    field: 'totalChunks',
    message: `the batches have ${chunks} chunks, not 3`,
  });
});

test('chunks that are larger than a page are refused', () => {
  const [run] = batch0.source as [PutRequest['source'][0]];
  expect(first({ source: [run, { ...run, length: PAGE_BYTES + 1 }] })).toEqual({
    code: 'invalid_field',
    field: 'source[1].length',
    message: 'chunks of 65 bytes do not fit a page of 64 bytes',
  });
});

test('a key that is in the batch twice is refused', () => {
  expect(first({ keys: ['a', 'a'] })).toEqual({
    code: 'invalid_field',
    field: 'keys[1]',
    message: 'key a is in the batch twice',
  });
});

test('P28: requests of a million chunks are in progress → no more', () => {
  const chunks = 1_048_576;
  expect(refusal(batch0, { ...idle, chunks: chunks - 3 })).toBeUndefined();
  expect(refusal(batch0, { ...idle, chunks: chunks - 2 })).toMatchObject({
    code: 'too_many_requests',
    field: 'totalChunks',
  });
});
