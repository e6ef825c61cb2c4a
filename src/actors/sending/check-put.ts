/** Checks one batch of a `put` against the batches before it. Changes nothing; throws the refusal. */
import { defined } from '../../protocol/defined.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { Ranks } from '../../protocol/fields.js';
import { CHUNKS_IN_PROGRESS_MAX, RANKS_BYTES_MAX } from '../../protocol/limits.js';
import { jsonBytes } from '../../protocol/message-room.js';
import type { PutRequest } from '../../protocol/operations.js';
import { shownKey } from '../../protocol/shown-text.js';

/** What came of the request with its earlier batches. */
export interface PutSoFar {
  /** Undefined: batch 0 named none. */
  readonly receiver: string | undefined;
  readonly totalChunks: number;
  readonly ranks: Ranks | undefined;
  /** The session of its first batch. */
  readonly session: string | undefined;
  readonly batches: number;
  readonly chunks: number;
  /** The last batch is in. */
  readonly lastIn: boolean;
  /** The request takes another batch. */
  readonly isOpen: boolean;
}

export interface PutSurroundings {
  /** Name and epoch of the agent that the `put` was sent to. */
  readonly agent: string;
  readonly epoch: string;
  /** Bytes of one page of the receiver. Undefined until a router has named the receiver. */
  readonly pageBytes: number | undefined;
  /** Undefined: this is the first batch of the request. */
  readonly before: PutSoFar | undefined;
  /** Requests in progress, and how many the agent takes at most. */
  readonly requests: number;
  readonly requestsMax: number;
  /** Chunks of the requests in progress. */
  readonly chunks: number;
  /** Bytes of the largest message that the agent can send. */
  readonly messageBytesMax: number;
}

/**
 * Throws `duplicate_batch`, `batch_out_of_order`, `request_active`, `wrong_session`, `too_many_requests`, `message_too_large`,
 * or `invalid_field` with the name of the field.
 */
export function checkPut(put: PutRequest, surroundings: PutSurroundings): void {
  const { agent, epoch, pageBytes, before, messageBytesMax } = surroundings;
  checkOrder(put, before?.batches ?? 0, epoch);
  if (before !== undefined) checkSame(put, before);
  else checkRoom(put, surroundings);
  if (put.ranks !== undefined) {
    if (put.receiver === undefined) throw invalidField('ranks', 'ranks without a receiver: name them in route');
    checkRanks(put.ranks, agent, put.receiver);
  }
  checkChunks(put, before?.chunks ?? 0);
  for (const [index, { length }] of put.source.entries()) checkLength(length, pageBytes, `source[${index}].length`);
  checkAllocateFits(put, messageBytesMax);
}

function checkRoom({ totalChunks }: PutRequest, { agent, requests, requestsMax, chunks }: PutSurroundings): void {
  if (requests >= requestsMax) {
    const message = `agent ${agent} has ${requests} requests in progress and takes no more`;
    throw new KvferryError('too_many_requests', message, { field: 'request' });
  }
  if (chunks + totalChunks > CHUNKS_IN_PROGRESS_MAX) {
    const message = `agent ${agent} has requests of ${chunks} chunks in progress, and takes ${CHUNKS_IN_PROGRESS_MAX} at most`;
    throw new KvferryError('too_many_requests', message, { field: 'totalChunks' });
  }
}

/** The batch was put before, at the process of `epoch`. */
export function duplicateBatch({ batch, request }: PutRequest, epoch: string): KvferryError {
  const message = `batch ${batch} of request ${request} was already put`;
  return new KvferryError('duplicate_batch', message, { field: 'batch', details: { epoch } });
}

function checkOrder(put: PutRequest, next: number, epoch: string): void {
  const { batch, request } = put;
  if (batch < next) throw duplicateBatch(put, epoch);
  if (batch > next) {
    const message = `batch ${batch} of request ${request} came before batch ${next}`;
    throw new KvferryError('batch_out_of_order', message, { field: 'batch' });
  }
}

/** What every batch repeats must be as in batch 0. */
function checkSame({ request, receiver, totalChunks, ranks, session }: PutRequest, before: PutSoFar): void {
  if (before.lastIn) throw invalidField('batch', `batch ${before.batches - 1} of request ${request} was the last one`);
  if (before.receiver !== receiver) {
    const named = (one: string | undefined) => one ?? 'none';
    const message = `receiver ${named(receiver)} differs from that of batch 0 (${named(before.receiver)})`;
    throw invalidField('receiver', message);
  }
  if (before.session !== session) {
    const message = `batch 0 of request ${request} was put ${inSession(before.session)}: put all its batches there`;
    throw new KvferryError('wrong_session', message, {
      field: 'request',
      details: defined({ session: before.session }),
    });
  }
  if (before.totalChunks !== totalChunks) {
    throw invalidField(
      'totalChunks',
      `totalChunks ${totalChunks} differs from that of batch 0 (${before.totalChunks})`,
    );
  }
  if (JSON.stringify(before.ranks) !== JSON.stringify(ranks)) {
    throw invalidField('ranks', 'ranks differ from those of batch 0');
  }
  if (!before.isOpen) {
    throw new KvferryError('request_active', `request ${request} is being given up`, { field: 'request' });
  }
}

function inSession(session: string | undefined): string {
  return session === undefined ? 'outside a session' : `in session ${session}`;
}

/** Throws `invalid_field` when `ranks` does not fit the agent that sends, or the receiver. */
export function checkRanks({ rank, members }: Ranks, agent: string, receiver: string): void {
  const member = members[rank];
  if (member === undefined)
    throw invalidField('ranks.rank', `rank ${rank} does not exist: members names ${members.length}`);
  const field = `ranks.members[${rank}]`;
  if (member.sender !== agent) {
    throw invalidField(`${field}.sender`, `sender ${member.sender} of rank ${rank} differs from this agent (${agent})`);
  }
  if (member.receiver !== receiver) {
    const message = `receiver ${member.receiver} of rank ${rank} differs from that of the put (${receiver})`;
    throw invalidField(`${field}.receiver`, message);
  }
  const senders = members.map(({ sender }) => sender);
  const repeated = senders.findIndex((sender, other) => senders.indexOf(sender) < other);
  if (repeated >= 0) {
    const message = `sender ${senders[repeated]} has two ranks: every rank needs its own prefill agent`;
    throw invalidField(`ranks.members[${repeated}].sender`, message);
  }
}

/** Throws `invalid_field` when a chunk of `length` bytes does not fit a page. */
export function checkLength(length: number, pageBytes: number | undefined, field: string): void {
  if (pageBytes === undefined || length <= pageBytes) return;
  throw invalidField(field, `chunks of ${length} bytes do not fit a page of ${pageBytes} bytes`);
}

function checkChunks({ keys, last, totalChunks }: PutRequest, chunksBefore: number): void {
  if (keys.length === 0 && !last) throw invalidField('keys', 'only the last batch may be empty');
  const chunks = chunksBefore + keys.length;
  if (chunks > totalChunks || (last && chunks !== totalChunks)) {
    throw invalidField('totalChunks', `the batches have ${chunks} chunks, not ${totalChunks}`);
  }
  const seen = new Set<string>();
  for (const [position, key] of keys.entries()) {
    if (seen.has(key)) throw invalidField(`keys[${position}]`, `key ${shownKey(key)} is in the batch twice`);
    seen.add(key);
  }
}

/** What an `allocate` takes at most apart from its keys, lengths and ranks. */
const ALLOCATE_FRAME_BYTES = 640;
/** JSON of a key: at most three bytes for each unit of the string, its quotes and a comma. */
const BYTES_PER_UNIT_MAX = 3;
const KEY_FRAME_BYTES = 3;
/** JSON of one run of lengths. */
const RUN_BYTES_MAX = 64;

/** The receiver must get the batch in one `allocate`, which can be a little longer than the `put`. */
function checkAllocateFits({ batch, request, receiver, keys, source, ranks }: PutRequest, bytesMax: number): void {
  const units = keys.reduce((sum, key) => sum + key.length * BYTES_PER_UNIT_MAX + KEY_FRAME_BYTES, 0);
  if (units + source.length * RUN_BYTES_MAX + RANKS_BYTES_MAX + ALLOCATE_FRAME_BYTES <= bytesMax) return;
  const lengths = source.map(({ length, count }) => ({ length, count }));
  // A router that names the receiver later may name ranks too.
  const ranksLater = receiver === undefined ? RANKS_BYTES_MAX : 0;
  const bytes = ALLOCATE_FRAME_BYTES + jsonBytes({ keys, lengths, ranks }) + ranksLater;
  if (bytes <= bytesMax) return;
  const message =
    `batch ${batch} of request ${request} takes ${bytes} bytes on its way to the receiver, ` +
    `and a message has at most ${bytesMax}: put its ${keys.length} chunks in several batches`;
  throw new KvferryError('message_too_large', message, { field: 'keys' });
}
