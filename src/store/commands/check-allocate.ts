/** Checks a batch before it changes anything. Each check names the field that is wrong. */
import { fromFailure } from '../../protocol/codec.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import { shownKey } from '../../protocol/shown-text.js';
import type { CommandOf } from '../messages.js';
import type { Entry, Holder } from '../records.js';
import type { StoreState } from '../state.js';

type Allocate = CommandOf<'allocate'>;

/** Throws when the batch cannot be accepted. `request`: the holder of that name, if earlier batches have made one. */
export function checkAllocate(state: StoreState, command: Allocate, request: Holder | undefined): void {
  const { grant, totalChunks, holder } = command;
  if (state.grants.ownerOf(grant) !== holder.epoch) {
    const message = `grant ${grant} is unknown or revoked for epoch ${holder.epoch}`;
    throw new KvferryError('stale_grant', message, { field: 'grant' });
  }
  if (totalChunks > state.options.pages) {
    const message = `the request has ${totalChunks} chunks, the arena has ${state.options.pages} pages`;
    throw new KvferryError('request_too_large', message, { field: 'totalChunks' });
  }
  checkLengths(command, state.options.pageBytes);
  checkKeys(state, command, request);
  if (request === undefined) checkProgress(command, { chunks: 0, highestBatch: 0, lastBatch: null, batches: 0 });
  else checkRequest(command, request);
  if (request === undefined) state.occupancy.refuseMoreHolders(totalChunks);
}

function checkLengths({ keys, lengths }: Allocate, pageBytes: number): void {
  if (lengths.length !== keys.length) {
    throw invalidField('lengths', `${lengths.length} lengths for ${keys.length} keys`);
  }
  const wrong = lengths.findIndex((length) => length < 1 || length > pageBytes);
  if (wrong >= 0) {
    throw invalidField(`lengths[${wrong}]`, `${lengths[wrong]} bytes: a chunk has 1 to ${pageBytes}, the page size`);
  }
}

function checkKeys({ contents }: StoreState, { keys, lengths }: Allocate, request: Holder | undefined): void {
  const seen = new Set<string>();
  for (const [position, key] of keys.entries()) {
    if (seen.has(key)) throw invalidField(`keys[${position}]`, `key ${shownKey(key)} is in the batch twice`);
    if (request?.leases.has(key) || request?.waitingKeys.has(key)) {
      throw invalidField(`keys[${position}]`, `key ${shownKey(key)} is in an earlier batch`);
    }
    seen.add(key);
    const entry = contents.get(key);
    if (entry !== undefined && entry.length !== lengths[position]) throw lengthMismatch(entry, position, lengths);
  }
}

function checkRequest(command: Allocate, request: Holder): void {
  if (request.totalChunks !== command.totalChunks) {
    throw invalidField('totalChunks', `${command.totalChunks} chunks, but earlier batches said ${request.totalChunks}`);
  }
  if (request.refused !== undefined) throw fromFailure(request.refused);
  if (request.state !== 'arriving') throw invalidField('request', `${request.name} is the name of a reader`);
  const { chunks, highestBatch, lastBatch, batches } = request;
  checkProgress(command, { chunks, highestBatch, lastBatch, batches: batches.size });
}

/** Batches may arrive in any order. Their numbers and chunks must fit the last batch and the total. */
function checkProgress(
  { batch, last, totalChunks, keys }: Allocate,
  before: { chunks: number; highestBatch: number; lastBatch: number | null; batches: number },
): void {
  if (last && before.lastBatch !== null) {
    throw invalidField('batch', `batch ${before.lastBatch} has already been sent as the last batch`);
  }
  const lastBatch = last ? batch : before.lastBatch;
  const highest = Math.max(batch, before.highestBatch);
  if (lastBatch !== null && highest > lastBatch) {
    throw invalidField('batch', `batch ${highest} comes after the last batch, ${lastBatch}`);
  }
  const chunks = before.chunks + keys.length;
  const isComplete = lastBatch !== null && before.batches === lastBatch;
  if (chunks > totalChunks || (isComplete && chunks !== totalChunks)) {
    throw invalidField('totalChunks', `the batches have ${chunks} chunks, not ${totalChunks}`);
  }
}

/** The arena has the key with another length. */
export function lengthMismatch(
  { key, length }: Pick<Entry, 'key' | 'length'>,
  position: number,
  lengths: readonly number[],
): KvferryError {
  const message = `key ${shownKey(key)} is already in the arena with ${length} bytes, not ${lengths[position]}`;
  return new KvferryError('length_mismatch', message, { field: `keys[${position}]` });
}
