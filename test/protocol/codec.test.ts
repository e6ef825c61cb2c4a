import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  decode,
  decodeReply,
  encodeError,
  fromFailure,
  ReplyError,
  RequestEndedError,
  toFailure,
} from '../../src/protocol/codec.js';
import { errorCodes, isKvferryError, KvferryError } from '../../src/protocol/errors.js';
import { auditEvent, sourceReleasedEvent, terminalEvent } from '../../src/protocol/events.js';
import {
  BATCHES_PER_REQUEST_MAX,
  CHUNKS_PER_REQUEST_MAX,
  FAILURE_TEXT_MAX,
  KEY_BYTES_MAX,
  KEYS_PER_BATCH_MAX,
  MESSAGE_BYTES_MAX,
  NAME_BYTES_MAX,
  PATH_BYTES_MAX,
  REQUEST_ID_BYTES_MAX,
  STAGING_PAGES_PER_CALL_MAX,
  STATUS_ROWS_MAX,
  TIMEOUT_MS_MAX,
} from '../../src/protocol/limits.js';
import { operationSchemas } from '../../src/protocol/operations.js';
import { heartbeat, peerSchemas } from '../../src/protocol/peer-messages.js';

type Message = Readonly<Record<string, unknown>>;

const epoch = '0123456789abcdef';
const failure = { code: 'fabric_error', message: 'broken' } as const;

/** A right message of each kind that comes from outside. */
const right = {
  put: {
    v: 2,
    request: 'r1',
    receiver: 'decode-0',
    batch: 0,
    last: true,
    totalChunks: 2,
    timeoutMs: 1000,
    keys: ['a', 'b'],
    source: [{ segment: 's', offset: 0, length: 10, count: 2 }],
  },
  route: { v: 2, request: 'r1', epoch, receiver: 'decode-0', timeoutMs: 1000 },
  cancel: { v: 2, request: 'r1', epoch },
  acquire: { v: 2, request: 'r1', epoch, keys: ['a'] },
  release: { v: 2, request: 'r1', epoch, keys: ['a'] },
  lookup: { v: 2, keys: ['a'] },
  status: { v: 2, request: 'r1', limit: 10 },
  describe: { v: 2 },
  attach: { v: 2, segment: 's', path: '/dev/shm/s' },
  detach: { v: 2, segment: 's' },
  stage: { v: 2, holder: 'engine', pages: 2 },
  unstage: { v: 2, holder: 'engine', offsets: [0] },
  open: { v: 2, session: epoch, holder: 'engine', silentMs: 5000 },
  renew: { v: 2, session: epoch },
  barrier: { v: 2, session: epoch, order: 3 },
  end: { v: 2, session: epoch },
  sources: { v: 2, request: 'r1', session: epoch, after: { request: 'r0', batch: 0 } },
  inspect: { v: 2, actors: 10, request: 'r1', pages: true },
  journal: { v: 2, from: 5, limit: 10, request: 'r1', oneIn: 2 },
  explain: { v: 2, key: 'a' },
  connect: { v: 2, epoch, heartbeatMs: 1000, provider: 'tcp', connection: 1, publicKey: 'B'.repeat(43) },
  allocate: {
    v: 2,
    request: 'r1',
    epoch,
    grant: 'g1',
    batch: 0,
    last: true,
    totalChunks: 2,
    timeoutMs: 1000,
    keys: ['a', 'b'],
    lengths: [{ length: 10, count: 2 }],
  },
  commit: {
    v: 2,
    request: 'r1',
    epoch,
    batch: 0,
    part: 0,
    pages: [1],
    generations: [2],
    lengths: [{ length: 10, count: 1 }],
  },
  abort: { v: 2, request: 'r1', epoch, totalChunks: 2, end: 'failed', reason: failure },
  drained: { v: 2, request: 'r1', epoch },
  inquire: { v: 2, request: 'r1', epoch },
  handover: {
    v: 2,
    request: 'r1',
    epoch,
    batch: 0,
    part: 1,
    grant: 'g1',
    positions: [1],
    pages: [3],
    generations: [2],
  },
  confirm: { v: 2, request: 'r1', epoch, receiverEpoch: epoch },
  ping: { v: 2 },
  yield: { v: 2, epoch },
  report: {
    ...{ v: 2, request: 'r1', epoch, from: { agent: 'decode-1', epoch }, state: 'failed', reason: failure },
    ranks: { rank: 1, members: [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` })) },
    chunks: 2,
    deduplicated: 1,
    joined: 1,
    bytes: 10,
    timeoutMs: 1000,
  },
  appeal: {
    ...{ v: 2, request: 'r1', epoch, reason: failure, timeoutMs: 1000 },
    ranks: { rank: 1, members: [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` })) },
  },
  admit: { v: 2, request: 'r1', epochs: [epoch] },
  prepare: { v: 2, request: 'r1', epoch },
  verdict: { v: 2, request: 'r1', epoch, end: 'failed', reason: failure },
  allocated: {
    ...{ v: 2, request: 'r1', epoch, batch: 0 },
    allocation: { grant: 'g1', pages: [1], generations: [2], alreadySent: [1], joined: [] },
  },
  joined: { v: 2, request: 'r1', epoch, batch: 0 },
  ended: { v: 2, request: 'r1', epoch, end: 'failed', reason: failure },
  heartbeat: {
    ...{ v: 2, agent: 'prefill-0', epoch, role: 'prefill', heartbeatMs: 1000 },
    number: 1,
    ageMs: 0,
    draining: false,
    alone: true,
    leaving: false,
  },
  terminal: {
    v: 2,
    request: 'r1',
    epoch,
    end: 'ready',
    sender: 'prefill-0',
    receiver: 'decode-0',
    chunks: 2,
    deduplicated: 0,
    joined: 0,
    bytes: 20,
    ageMs: 3,
  },
  sourceReleased: { v: 2, request: 'r1', epoch, batch: 0, positions: [0, 1] },
  audit: {
    v: 2,
    agent: 'decode-0',
    epoch,
    number: 0,
    nowMs: 5.5,
    steps: [{ atMs: 4, action: 'allocated', request: 'r1', epoch, batch: 0, chunks: 1, keys: ['a'], pages: [3] }],
  },
} as const satisfies Record<string, Message>;
type Name = keyof typeof right;

function schemaOf(name: Name): z.ZodType {
  if (name === 'heartbeat') return heartbeat;
  if (name === 'terminal') return terminalEvent;
  if (name === 'sourceReleased') return sourceReleasedEvent;
  if (name === 'audit') return auditEvent;
  return { ...operationSchemas, ...peerSchemas }[name].request;
}

function refusal(run: () => unknown): KvferryError {
  try {
    run();
  } catch (error) {
    if (error instanceof KvferryError) return error;
    throw error;
  }
  throw new Error('the message was accepted');
}

function refuse(name: Name, message: unknown): { code: string; field: string | undefined } {
  const { code, field } = refusal(() => decode(schemaOf(name), JSON.stringify(message)));
  return { code, field };
}

const names = Object.keys(right) as Name[];

describe('a right message', () => {
  test.each(names)('%s is accepted as it is', (name) => {
    expect(decode(schemaOf(name), JSON.stringify(right[name]))).toMatchObject(right[name]);
  });

  test('every operation is in the table', () => {
    expect(names).toEqual(expect.arrayContaining([...Object.keys(operationSchemas), ...Object.keys(peerSchemas)]));
  });

  test('what may be left out has its default', () => {
    expect(decode(operationSchemas.status.request, '{"v":2}')).toEqual({ v: 2, limit: STATUS_ROWS_MAX });
    const put = { ...right.put, source: [{ segment: 's', offset: 0, length: 10 }] };
    expect(decode(operationSchemas.put.request, JSON.stringify(put)).source).toEqual([
      { segment: 's', offset: 0, length: 10, count: 1 },
    ]);
  });

  test('an empty last batch', () => {
    const empty = { ...right.put, totalChunks: 0, keys: [], source: [] };
    expect(decode(operationSchemas.put.request, JSON.stringify(empty))).toEqual(empty);
  });
});

describe('a body that is no message', () => {
  test.each([
    ['nothing', ''],
    ['half an object', '{"v":2'],
    ['a trailing comma', '{"v":2,}'],
    ['two objects', '{"v":2}{"v":2}'],
    ['a comment', '{"v":2} // one'],
    ['single quotes', "{'v':1}"],
    ['NaN', '{"v":NaN}'],
    ['binary', '\u0000\u0001'],
    ['a control character in a string', '{"v":2,"request":"a\nb"}'],
  ])('%s is malformed_json', (_, body) => {
    const { code, field } = refusal(() => decode(operationSchemas.describe.request, body));
    expect({ code, field }).toEqual({ code: 'malformed_json', field: undefined });
  });

  test.each([
    ['null', 'null'],
    ['a number', '1'],
    ['a string', '"put"'],
    ['a list', '[{"v":2}]'],
    ['true', 'true'],
  ])('%s is an invalid message', (_, body) => {
    const { code, field } = refusal(() => decode(operationSchemas.describe.request, body));
    expect({ code, field }).toEqual({ code: 'invalid_field', field: 'message' });
  });

  test('more bytes than a message may have', () => {
    const body = `{"v":2,"request":"${'x'.repeat(MESSAGE_BYTES_MAX)}"}`;
    expect(refusal(() => decode(operationSchemas.cancel.request, body)).code).toBe('message_too_large');
    expect(refusal(() => decodeReply(operationSchemas.cancel.reply, body)).code).toBe('message_too_large');
  });
});

describe('the version', () => {
  test.each(names)('%s: another one is unsupported_version, whatever else is wrong', (name) => {
    expect(refuse(name, { v: 3 })).toEqual({ code: 'unsupported_version', field: 'v' });
    expect(refuse(name, { ...right[name], v: 0, surprise: true })).toEqual({ code: 'unsupported_version', field: 'v' });
  });

  test.each(names)('%s: none, or not a number, is an invalid field', (name) => {
    const { v: _, ...rest } = right[name];
    expect(refuse(name, rest)).toEqual({ code: 'invalid_field', field: 'v' });
    expect(refuse(name, { ...right[name], v: '1' })).toEqual({ code: 'invalid_field', field: 'v' });
    expect(refuse(name, { ...right[name], v: null })).toEqual({ code: 'invalid_field', field: 'v' });
  });
});

describe('fields', () => {
  test.each(names)('%s: an unknown one is named', (name) => {
    expect(refuse(name, { ...right[name], surprise: 1 })).toEqual({ code: 'invalid_field', field: 'surprise' });
  });

  test('unknown ones of inner objects are named with their place', () => {
    const source = [{ segment: 's', offset: 0, length: 10, count: 2, colour: 'red' }];
    expect(refuse('put', { ...right.put, source })).toEqual({ code: 'invalid_field', field: 'source[0].colour' });
    const lengths = [{ length: 10, count: 2, stride: 1 }];
    expect(refuse('allocate', { ...right.allocate, lengths }).field).toBe('lengths[0].stride');
    expect(refuse('abort', { ...right.abort, reason: { ...failure, stack: '' } }).field).toBe('reason.stack');
  });

  test('names that objects have anyway are unknown too', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const { code, field } = refusal(() => decode(operationSchemas.describe.request, `{"v":2,"${name}":{}}`));
      expect({ code, field }).toEqual({ code: 'invalid_field', field: name });
    }
  });

  const missing = names.flatMap((name) => {
    const optional = [
      ...[
        'v',
        'keys of acquire',
        'keys of release',
        'epoch of cancel',
        'offsets',
        'limit',
        'request of status',
        'request of sources',
        'session of sources',
        'after',
        'from',
        'actors',
        'request of inspect',
        'pages of inspect',
        'request of journal',
        'oneIn',
        'key of explain',
      ],
      ...['reason of ended', 'reason of report', 'reason of verdict', 'path of attach'],
      ...['receiver of put', 'receiver of terminal', 'timeoutMs of route', 'epoch of route'],
    ];
    return Object.keys(right[name])
      .filter((field) => !optional.includes(field) && !optional.includes(`${field} of ${name}`))
      .map((field): [Name, string] => [name, field]);
  });
  test.each(missing)('%s without %s is refused and says so', (name, field) => {
    const { [field as keyof object]: _, ...rest } = right[name];
    expect(refuse(name, rest)).toEqual({ code: 'invalid_field', field });
  });

  const everyField = names.flatMap((name) =>
    Object.keys(right[name])
      .filter((field) => field !== 'v')
      .map((field): [Name, string] => [name, field]),
  );
  test.each(everyField)('%s: %s of another type is refused', (name, field) => {
    for (const wrong of othersThan((right[name] as Message)[field])) {
      const refused = refuse(name, { ...right[name], [field]: wrong });
      expect(refused).toEqual({ code: 'invalid_field', field });
    }
  });
});

/** Values of other types. */
function othersThan(value: unknown): unknown[] {
  if (Array.isArray(value)) return [null, {}, 'a', 1, true];
  switch (typeof value) {
    case 'string':
      return [null, {}, [], 1, true];
    case 'number':
      // A time may have a fraction; a count may not.
      return [null, {}, [], '1', ...(Number.isInteger(value) ? [1.5] : []), true];
    case 'boolean':
      return [null, {}, [], 'true', 1];
    default:
      return [null, [], 'a', 1, true];
  }
}

test('P28: lengths of 67 million chunks → refused before they are expanded', () => {
  const lengths = new Array(KEYS_PER_BATCH_MAX).fill({ length: 1, count: KEYS_PER_BATCH_MAX });
  for (const name of ['commit', 'allocate'] as const) {
    expect(refuse(name, { ...right[name], lengths })).toEqual({ code: 'invalid_field', field: 'lengths' });
  }
});

test('P28: a reason of 900 kB → what arrives is cut to 1,000 characters', () => {
  const reason = { code: 'fabric_error', message: 'x'.repeat(900_000), field: 'y'.repeat(2000) };
  const { reason: cut } = decode(peerSchemas.ended.request, JSON.stringify({ ...right.ended, reason }));
  expect([cut?.message.length, cut?.field?.length]).toEqual([FAILURE_TEXT_MAX, FAILURE_TEXT_MAX]);
});

describe('bounds', () => {
  const long = (count: number) => 'x'.repeat(count);
  const many = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);
  const run = right.put.source[0];
  const run1 = { length: 1, count: 1 };

  test.each<[Name, string, unknown, string]>([
    // keys
    ['put', 'a key that is empty', { keys: [''] }, 'keys[0]'],
    ['put', 'a key that is too long', { keys: ['a', long(KEY_BYTES_MAX + 1)] }, 'keys[1]'],
    ['put', 'a key of too many bytes', { keys: ['я'.repeat(KEY_BYTES_MAX / 2 + 1)] }, 'keys[0]'],
    ['put', 'a key with a line end', { keys: ['a\n'] }, 'keys[0]'],
    ['put', 'a key with a NUL', { keys: ['a\u0000'] }, 'keys[0]'],
    ['put', 'a key with DEL', { keys: ['a', 'a\u007f'] }, 'keys[1]'],
    ['put', 'a key with a C1 control character', { keys: ['\u009b31m'] }, 'keys[0]'],
    ['put', 'a key with half a character', { keys: ['a\ud83d'] }, 'keys[0]'],
    ['explain', 'a key with a control character', { key: 'a\u001b[31m' }, 'key'],
    ['put', 'keys that are no list', { keys: 'a' }, 'keys'],
    ['put', 'a key that is a number', { keys: ['a', 7] }, 'keys[1]'],
    ['put', 'too many keys', { keys: many(KEYS_PER_BATCH_MAX + 1) }, 'keys'],
    ['acquire', 'too many keys', { keys: many(KEYS_PER_BATCH_MAX + 1) }, 'keys'],
    ['release', 'too many keys', { keys: many(KEYS_PER_BATCH_MAX + 1) }, 'keys'],
    ['allocate', 'too many keys', { keys: many(KEYS_PER_BATCH_MAX + 1) }, 'keys'],
    // requests
    ['put', 'a request id that is empty', { request: '' }, 'request'],
    ['put', 'a request id that is too long', { request: long(REQUEST_ID_BYTES_MAX + 1) }, 'request'],
    ['put', 'a request id with a space', { request: 'a b' }, 'request'],
    ['cancel', 'a request id with a control character', { request: 'a\u0007' }, 'request'],
    ['put', 'a negative batch', { batch: -1 }, 'batch'],
    ['put', 'half a batch', { batch: 0.5 }, 'batch'],
    ['put', 'a batch beyond the last possible', { batch: BATCHES_PER_REQUEST_MAX }, 'batch'],
    ['put', 'negative chunks', { totalChunks: -1 }, 'totalChunks'],
    ['put', 'too many chunks', { totalChunks: CHUNKS_PER_REQUEST_MAX + 1 }, 'totalChunks'],
    ['put', 'a number that is not exact', { totalChunks: 2 ** 60 }, 'totalChunks'],
    ['put', 'no time at all', { timeoutMs: 0 }, 'timeoutMs'],
    ['put', 'negative time', { timeoutMs: -5 }, 'timeoutMs'],
    ['put', 'half a millisecond', { timeoutMs: 0.5 }, 'timeoutMs'],
    ['put', 'too much time', { timeoutMs: TIMEOUT_MS_MAX + 1 }, 'timeoutMs'],
    ['put', 'a receiver with a dot', { receiver: 'decode.0' }, 'receiver'],
    ['put', 'a receiver that is a wildcard', { receiver: '*' }, 'receiver'],
    ['put', 'a receiver that is empty', { receiver: '' }, 'receiver'],
    ['put', 'a receiver that is too long', { receiver: long(NAME_BYTES_MAX + 1) }, 'receiver'],
    // source memory
    ['put', 'a negative offset', { source: [{ ...run, offset: -1 }] }, 'source[0].offset'],
    ['put', 'half an offset', { source: [run, { ...run, offset: 1.5 }] }, 'source[1].offset'],
    ['put', 'an offset that is not exact', { source: [{ ...run, offset: 2 ** 53 }] }, 'source[0].offset'],
    ['put', 'an empty chunk', { source: [{ ...run, length: 0 }] }, 'source[0].length'],
    ['put', 'a run of no chunks', { source: [{ ...run, count: 0 }] }, 'source[0].count'],
    ['put', 'a run of too many', { source: [{ ...run, count: KEYS_PER_BATCH_MAX + 1 }] }, 'source[0].count'],
    ['put', 'a stride of nothing', { source: [{ ...run, stride: 0 }] }, 'source[0].stride'],
    ['put', 'a negative stride', { source: [{ ...run, stride: -10 }] }, 'source[0].stride'],
    ['put', 'a segment with a slash', { source: [{ ...run, segment: 'a/b' }] }, 'source[0].segment'],
    ['put', 'too many runs', { source: new Array(KEYS_PER_BATCH_MAX + 1).fill(run) }, 'source'],
    ['attach', 'a segment that is too long', { segment: long(NAME_BYTES_MAX + 1) }, 'segment'],
    ['attach', 'a relative path', { path: 'dev/shm/s' }, 'path'],
    ['attach', 'a path with a NUL', { path: '/dev/shm/x\u0000/../../etc/passwd' }, 'path'],
    ['attach', 'an empty path', { path: '' }, 'path'],
    ['attach', 'a path that is too long', { path: `/${long(PATH_BYTES_MAX)}` }, 'path'],
    ['stage', 'no page', { pages: 0 }, 'pages'],
    ['stage', 'a negative number of pages', { pages: -1 }, 'pages'],
    ['stage', 'too many pages', { pages: STAGING_PAGES_PER_CALL_MAX + 1 }, 'pages'],
    ['unstage', 'a negative offset', { offsets: [0, -1] }, 'offsets[1]'],
    // epochs
    ['acquire', 'an epoch that is too short', { epoch: '0123' }, 'epoch'],
    ['acquire', 'an epoch that is too long', { epoch: `${epoch}0` }, 'epoch'],
    ['acquire', 'an epoch in capitals', { epoch: epoch.toUpperCase() }, 'epoch'],
    ['acquire', 'an epoch that is a number', { epoch: 17 }, 'epoch'],
    // status
    ['status', 'a negative limit', { limit: -1 }, 'limit'],
    ['status', 'too many rows', { limit: STATUS_ROWS_MAX + 1 }, 'limit'],
    // between agents
    ['allocate', 'a length of nothing', { lengths: [{ length: 0, count: 2 }] }, 'lengths[0].length'],
    ['allocate', 'a run of no lengths', { lengths: [{ length: 1, count: 0 }] }, 'lengths[0].count'],
    ['allocate', 'a remote key that is empty', { grant: '' }, 'grant'],
    ['allocate', 'a remote key that is too long', { grant: long(65) }, 'grant'],
    ['commit', 'a negative page', { pages: [-1] }, 'pages[0]'],
    ['commit', 'half a page', { pages: [0.5] }, 'pages[0]'],
    ['commit', 'a negative generation', { generations: [-1] }, 'generations[0]'],
    ['allocate', 'lengths of one chunk too many', { lengths: [{ length: 1, count: 8192 }, run1] }, 'lengths'],
    ['commit', 'too many pages', { pages: new Array(KEYS_PER_BATCH_MAX + 1).fill(0) }, 'pages'],
    ['abort', 'an end that cannot be asked for', { end: 'ready' }, 'end'],
    ['abort', 'a reason with an unknown code', { reason: { code: 'bad_luck', message: '' } }, 'reason.code'],
    ['ended', 'an end that does not exist', { end: 'lost' }, 'end'],
    ['connect', 'a provider that does not exist', { provider: 'pigeon' }, 'provider'],
    ['connect', 'a public key that is too long', { publicKey: 'B'.repeat(44) }, 'publicKey'],
    ['connect', 'a public key in other letters', { publicKey: '+'.repeat(43) }, 'publicKey'],
    ['heartbeat', 'a role that does not exist', { role: 'router' }, 'role'],
    ['heartbeat', 'an agent with a dot', { agent: 'a.b' }, 'agent'],
    ['sourceReleased', 'a negative position', { positions: [0, -1] }, 'positions[1]'],
  ])('message %s with %s is refused', (name, _, change, field) => {
    expect(refuse(name, { ...right[name], ...(change as Message) })).toEqual({ code: 'invalid_field', field });
  });

  test.each<[Name, string, unknown]>([
    ['put', 'the longest key', { keys: [long(KEY_BYTES_MAX), '!#[]~'] }],
    ['put', 'the most bytes of a key', { keys: ['я'.repeat(KEY_BYTES_MAX / 2), '😀'.repeat(KEY_BYTES_MAX / 4)] }],
    ['put', 'keys with spaces, quotes and backslashes', { keys: ['/my model@1', 'a"b', 'a\\b', 'модель@8'] }],
    ['put', 'the longest request id', { request: '~'.repeat(REQUEST_ID_BYTES_MAX) }],
    ['put', 'the last batch number', { batch: BATCHES_PER_REQUEST_MAX - 1 }],
    ['put', 'the most chunks', { totalChunks: CHUNKS_PER_REQUEST_MAX }],
    ['put', 'the longest time', { timeoutMs: TIMEOUT_MS_MAX }],
    ['put', 'the most keys', { keys: many(KEYS_PER_BATCH_MAX) }],
    ['put', 'the longest name', { receiver: long(NAME_BYTES_MAX) }],
    ['explain', 'the longest key', { key: long(KEY_BYTES_MAX) }],
    ['attach', 'the longest path', { path: `/${long(PATH_BYTES_MAX - 1)}` }],
    ['stage', 'the most pages', { pages: STAGING_PAGES_PER_CALL_MAX }],
    ['status', 'no rows', { limit: 0 }],
  ])('%s: %s is accepted', (name, _, change) => {
    expect(() => decode(schemaOf(name), JSON.stringify({ ...right[name], ...(change as Message) }))).not.toThrow();
  });
});

describe('replies', () => {
  test('an answer is checked like a message', () => {
    const reply = operationSchemas.put.reply;
    expect(decodeReply(reply, JSON.stringify({ v: 2, ok: true, epoch }))).toEqual({ v: 2, ok: true, epoch });
    for (const [body, code, field] of [
      ['nonsense', 'malformed_json', undefined],
      ['{"v":2,"ok":true}', 'invalid_field', 'epoch'],
      ['{"v":2,"ok":"yes"}', 'invalid_field', 'ok'],
      ['{"v":2,"ok":false}', 'invalid_field', 'error'],
      ['{"v":2,"ok":false,"error":{"code":"odd","message":""}}', 'invalid_field', 'error.code'],
    ] as const) {
      const error = refusal(() => decodeReply(reply, body));
      expect([error.code, error.field, error instanceof ReplyError]).toEqual([code, field, false]);
    }
  });

  test.each(errorCodes)('the error %s arrives as it was sent', (code) => {
    const sent = new KvferryError(code, 'what was wrong', { field: 'keys[3]' });
    const arrived = refusal(() => decodeReply(operationSchemas.put.reply, encodeError(sent)));
    expect(arrived).toBeInstanceOf(ReplyError);
    expect([arrived.code, arrived.message, arrived.field]).toEqual([code, 'what was wrong', 'keys[3]']);
    expect(isKvferryError(arrived, code)).toBe(true);
  });

  test('a recorded end travels with request_ended, also when it is passed on', () => {
    const sent = new RequestEndedError('r1', 'expired');
    const arrived = refusal(() => decodeReply(operationSchemas.put.reply, encodeError(sent)));
    expect(arrived).toMatchObject({ code: 'request_ended', field: 'request', end: 'expired' });
    expect(JSON.parse(encodeError(arrived))).toEqual(JSON.parse(encodeError(sent)));
  });
});

describe('failures', () => {
  test('an error becomes a failure and back', () => {
    for (const error of [
      new KvferryError('fabric_error', 'broken'),
      new KvferryError('invalid_field', 'wrong', { field: 'keys' }),
    ]) {
      const failed = toFailure(error);
      expect(failed).toEqual(
        error.field === undefined
          ? { code: error.code, message: error.message }
          : { code: error.code, message: error.message, field: error.field },
      );
      expect(toFailure(fromFailure(failed))).toEqual(failed);
    }
  });

  test('an error of another kind is internal', () => {
    expect(toFailure(new TypeError('oops'))).toEqual({ code: 'internal', message: 'TypeError: oops' });
    expect(toFailure('oops')).toEqual({ code: 'internal', message: 'oops' });
  });
});
