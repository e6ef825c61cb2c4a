/** A batch that an agent takes can always be passed on to the receiver in one `allocate`. */
import { expect, test } from 'vitest';
import { checkPut } from '../../src/actors/sending/check-put.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import { compressLengths, expandLengths } from '../../src/protocol/fields.js';
import { KEY_BYTES_MAX, MESSAGE_BYTES_MAX, RANKS_MAX, TIMEOUT_MS_MAX } from '../../src/protocol/limits.js';
import type { PutRequest } from '../../src/protocol/operations.js';

const NAME = 'n'.repeat(64);
const PAGE_BYTES = 2 ** 30;
const of = { agent: NAME, epoch: 'f'.repeat(16), pageBytes: PAGE_BYTES };
const surroundings = { ...of, before: undefined, requests: 0, chunks: 0, requestsMax: 1 };

const members = Array.from({ length: RANKS_MAX }, (_, rank) => ({
  sender: `${rank}`.padEnd(64, 's'),
  receiver: NAME,
}));
const ranks = { rank: 0, members: [{ sender: NAME, receiver: NAME }, ...members.slice(1)] };

/** `count` keys of `units` characters, in one run or each in a run of its own, with the shortest names. */
function putOf(count: number, units: number, filler: string, { scattered = false, ranked = false }): PutRequest {
  const keys = Array.from({ length: count }, (_, index) => `${index}`.padEnd(units, filler));
  const run = { segment: 's', offset: 0, count: 1 };
  const runs = keys.map((_, index) => ({ ...run, length: PAGE_BYTES - (index % 2) }));
  return {
    v: 1,
    request: '"'.repeat(128),
    receiver: NAME,
    batch: 0,
    last: true,
    totalChunks: count,
    timeoutMs: TIMEOUT_MS_MAX,
    keys,
    source: scattered ? runs : [{ ...run, length: PAGE_BYTES, count }],
    ...(ranked ? { ranks } : {}),
  };
}

/** The message that the agent sends for it, as TransferActor makes it. */
function allocateOf({ source, receiver: _, ...put }: PutRequest): object {
  const grant = 'g'.repeat(64);
  return { ...put, epoch: 'f'.repeat(16), grant, lengths: compressLengths(expandLengths(source)) };
}

const bytesOf = (message: object) => Buffer.byteLength(JSON.stringify(message));

const shapes = [
  { filler: 'k', units: 112, scattered: false },
  { filler: 'k', units: KEY_BYTES_MAX, scattered: true },
  { filler: '"', units: KEY_BYTES_MAX, scattered: false },
  { filler: '\\', units: 40, scattered: true },
  { filler: 'я', units: KEY_BYTES_MAX / 2, scattered: false },
  { filler: 'k', units: 8, scattered: true },
].flatMap((shape) => [
  { ...shape, ranked: false },
  { ...shape, ranked: true },
]);

test.each(shapes)('keys of $units × $filler ($scattered, $ranked) → what is taken fits', (shape) => {
  const isTaken = (put: PutRequest) => {
    try {
      checkPut(put, { ...surroundings, messageBytesMax: MESSAGE_BYTES_MAX });
      return true;
    } catch (error) {
      if (isKvferryError(error, 'message_too_large')) return false;
      throw error;
    }
  };
  // The largest batch that is taken, by bisection around what its bytes suggest.
  const each =
    (bytesOf(putOf(90, shape.units, shape.filler, shape)) - bytesOf(putOf(80, shape.units, shape.filler, shape))) / 10;
  let [taken, refused] = [0.9, 1.02].map((part) => Math.floor((part * MESSAGE_BYTES_MAX) / each)) as [number, number];
  expect(isTaken(putOf(taken, shape.units, shape.filler, shape))).toBe(true);
  while (refused - taken > 1) {
    const middle = Math.floor((taken + refused) / 2);
    if (isTaken(putOf(middle, shape.units, shape.filler, shape))) taken = middle;
    else refused = middle;
  }
  const largest = putOf(taken, shape.units, shape.filler, shape);
  expect(bytesOf(allocateOf(largest))).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  // What NATS carries as a `put` is not refused, but for the last few hundred bytes.
  const next = putOf(refused, shape.units, shape.filler, shape);
  expect(bytesOf(next)).toBeGreaterThan(MESSAGE_BYTES_MAX - 1000);
});
