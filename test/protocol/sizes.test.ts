import { describe, expect, test } from 'vitest';
import { decode, decodeReply } from '../../src/protocol/codec.js';
import {
  ACQUIRE_KEYS_MAX,
  BATCHES_PER_REQUEST_MAX,
  CHUNKS_PER_REQUEST_MAX,
  KEY_BYTES_MAX,
  KEYS_PER_BATCH_MAX,
  MESSAGE_BYTES_MAX,
  NAME_BYTES_MAX,
  PARTS_PER_BATCH_MAX,
  PIECES_PER_CHUNK_MAX,
  RANKS_MAX,
  REQUEST_ID_BYTES_MAX,
  STAGING_PAGES_PER_CALL_MAX,
  TIMEOUT_MS_MAX,
} from '../../src/protocol/limits.js';
import { type OperationReply, operationSchemas, type PutRequest } from '../../src/protocol/operations.js';
import { type AllocateRequest, type PeerRequest, peerSchemas } from '../../src/protocol/peer-messages.js';

/** The largest values that can occur, by their length in JSON. */
const EPOCH = 'f'.repeat(16);
const NAME = 'n'.repeat(NAME_BYTES_MAX);
/** Every character of a request id may be one that JSON escapes. */
const REQUEST_ID = '"'.repeat(REQUEST_ID_BYTES_MAX);
const PAGE = 1_048_575;
const GENERATION = 2 ** 32 - 1;
const PAGE_BYTES = 1024 ** 3;
const OFFSET = Number.MAX_SAFE_INTEGER - PAGE_BYTES;

/** As many ranks as a request can have, with the longest names. */
const ranks = { rank: RANKS_MAX - 1, members: new Array(RANKS_MAX).fill({ sender: NAME, receiver: NAME }) };

/** The longest keys of which a full batch fits into a message. */
const FULL_BATCH_KEY_BYTES = 112;

/** Distinct keys of `bytes` bytes. */
function keysOf(count: number, bytes = FULL_BATCH_KEY_BYTES, filler = 'k'): string[] {
  return Array.from({ length: count }, (_, index) => String(index).padEnd(bytes, filler));
}

function filled<T>(count: number, value: T): T[] {
  return new Array<T>(count).fill(value);
}

function bytesOf(message: object): number {
  return Buffer.byteLength(JSON.stringify(message));
}

function put(keys: readonly string[], source: PutRequest['source']): PutRequest {
  return {
    v: 2,
    request: REQUEST_ID,
    receiver: NAME,
    batch: BATCHES_PER_REQUEST_MAX - 1,
    last: false,
    totalChunks: CHUNKS_PER_REQUEST_MAX,
    timeoutMs: TIMEOUT_MS_MAX,
    keys: [...keys],
    source,
    ranks,
  };
}

const widestRun = { segment: NAME, offset: OFFSET, length: PAGE_BYTES, count: 1, stride: PAGE_BYTES };

describe('the longest keys', () => {
  test('a put has 1,900 of 512 bytes, or 950 if JSON escapes every byte', () => {
    const run = [{ ...widestRun, count: KEYS_PER_BATCH_MAX }];
    expect(bytesOf(put(keysOf(1900, KEY_BYTES_MAX), run))).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(bytesOf(put(keysOf(950, KEY_BYTES_MAX, '"'), run))).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test('a release has as many as an acquire', () => {
    const message = { v: 2, request: REQUEST_ID, epoch: EPOCH, keys: keysOf(1900, KEY_BYTES_MAX) };
    expect(bytesOf(message)).toBeLessThan(MESSAGE_BYTES_MAX);
  });
});

describe('a full batch fits into one message', () => {
  test('put with the most keys, of 112 bytes, at equal distances', () => {
    const message = put(keysOf(KEYS_PER_BATCH_MAX), [{ ...widestRun, count: KEYS_PER_BATCH_MAX }]);
    expect(bytesOf(message)).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(decode(operationSchemas.put.request, JSON.stringify(message))).toEqual(message);
  });

  test('a put with its keys in as many pieces as the protocol reference allows', () => {
    const spare = MESSAGE_BYTES_MAX - bytesOf(put(keysOf(KEYS_PER_BATCH_MAX), []));
    expect(spare).toBeGreaterThan(90_000);
    const shortest = bytesOf({ segment: 'a', offset: 0, length: 1 }) + 1;
    const longest = bytesOf(widestRun) + 1;
    const inPieces = { ...widestRun, pieces: { count: PIECES_PER_CHUNK_MAX, stride: OFFSET } };
    expect([shortest, longest, bytesOf(inPieces) + 1]).toEqual([38, 155, 206]);
    const pieces = Math.floor(spare / longest);
    const runs = [...filled(pieces - 1, widestRun), { ...widestRun, count: KEYS_PER_BATCH_MAX - pieces + 1 }];
    const message = put(keysOf(KEYS_PER_BATCH_MAX), runs);
    expect(bytesOf(message)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
    expect(pieces).toBeGreaterThan(580);
  });

  test('put with scattered chunks: a batch of 3,700 fits, whatever its keys and places', () => {
    const count = 3700;
    expect(bytesOf(put(keysOf(count), filled(count, widestRun)))).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test('allocate, also with as many different lengths as a put can have', () => {
    const keys = keysOf(KEYS_PER_BATCH_MAX);
    const lengths = [{ length: PAGE_BYTES, count: KEYS_PER_BATCH_MAX }];
    expect(bytesOf(allocate(keys, lengths))).toBeLessThan(MESSAGE_BYTES_MAX);

    // The put with the most lengths: every chunk has one of its own, in as few bytes as possible.
    const run = { segment: 'a', offset: 0, length: 1 };
    const runBytes = bytesOf(run) + 1;
    const runs = Math.floor((MESSAGE_BYTES_MAX - bytesOf(put(keys, []))) / runBytes);
    expect(runs).toBeGreaterThan(2500);
    expect(bytesOf(allocate(keys, filled(runs, { length: 1, count: 1 })))).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test('what a batch gets: the answer to allocate, and the notice', () => {
    const grant = 'g'.repeat(64);
    const written = {
      grant,
      pages: filled(KEYS_PER_BATCH_MAX, PAGE),
      generations: filled(KEYS_PER_BATCH_MAX, GENERATION),
      alreadySent: [],
      joined: [],
    };
    const positions = Array.from({ length: KEYS_PER_BATCH_MAX }, (_, position) => position);
    const deduplicated = { grant, pages: [], generations: [], alreadySent: positions, joined: positions };
    for (const allocation of [written, deduplicated]) {
      const reply = { v: 2, ok: true, allocation };
      expect(bytesOf(reply)).toBeLessThan(MESSAGE_BYTES_MAX);
      expect(decodeReply(peerSchemas.allocate.reply, JSON.stringify(reply))).toEqual(reply);
      const notice = { v: 2, request: REQUEST_ID, epoch: EPOCH, batch: 0, allocation };
      expect(bytesOf(notice)).toBeLessThan(MESSAGE_BYTES_MAX);
      expect(decode(peerSchemas.allocated.request, JSON.stringify(notice))).toEqual(notice);
    }
  });

  test('commit, with a length of its own for every page', () => {
    const message: PeerRequest<'commit'> = {
      v: 2,
      request: REQUEST_ID,
      epoch: EPOCH,
      batch: BATCHES_PER_REQUEST_MAX - 1,
      part: PARTS_PER_BATCH_MAX,
      pages: filled(KEYS_PER_BATCH_MAX, PAGE),
      generations: filled(KEYS_PER_BATCH_MAX, GENERATION),
      lengths: filled(KEYS_PER_BATCH_MAX, { length: PAGE_BYTES, count: 1 }),
    };
    expect(bytesOf(message)).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(decode(peerSchemas.commit.request, JSON.stringify(message))).toEqual(message);
  });

  test('a full release fits into one message', () => {
    const message = { v: 2, request: REQUEST_ID, epoch: EPOCH, keys: keysOf(KEYS_PER_BATCH_MAX) };
    expect(bytesOf(message)).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(decode(operationSchemas.release.request, JSON.stringify(message))).toEqual(message);
  });

  test('the answer to acquire, when nothing was found', () => {
    expect(bytesOf(acquired(0, ACQUIRE_KEYS_MAX))).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test('the answer to acquire, when every key was found', () => {
    const message = acquired(ACQUIRE_KEYS_MAX, 0);
    expect(bytesOf(message)).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(decodeReply(operationSchemas.acquire.reply, JSON.stringify(message))).toEqual(message);
  });

  test('sourceReleased and the answer to stage', () => {
    const offsets = filled(STAGING_PAGES_PER_CALL_MAX, OFFSET);
    const stage = { v: 2, ok: true, segment: NAME, path: `/${'p'.repeat(4095)}`, pageBytes: PAGE_BYTES, offsets };
    expect(bytesOf(stage)).toBeLessThan(MESSAGE_BYTES_MAX);
    const positions = Array.from({ length: KEYS_PER_BATCH_MAX }, (_, position) => position);
    expect(bytesOf({ v: 2, request: REQUEST_ID, epoch: EPOCH, batch: 0, positions })).toBeLessThan(MESSAGE_BYTES_MAX);
  });
});

function allocate(keys: readonly string[], lengths: AllocateRequest['lengths']): AllocateRequest {
  return {
    v: 2,
    request: REQUEST_ID,
    epoch: EPOCH,
    grant: 'g'.repeat(64),
    batch: BATCHES_PER_REQUEST_MAX - 1,
    last: false,
    totalChunks: CHUNKS_PER_REQUEST_MAX,
    timeoutMs: TIMEOUT_MS_MAX,
    keys: [...keys],
    lengths,
    ranks,
  };
}

function acquired(found: number, missing: number): OperationReply<'acquire'> {
  const keys = keysOf(found + missing);
  return {
    v: 2,
    ok: true,
    arena: { path: `/${'p'.repeat(4095)}`, epoch: EPOCH, pageBytes: PAGE_BYTES, pages: PAGE + 1 },
    leaseMs: 3_600_000,
    keys: keys.slice(0, found),
    pages: filled(found, PAGE),
    generations: filled(found, GENERATION),
    lengths: filled(found, PAGE_BYTES),
    missing: keys.slice(found),
  };
}
