/** `acquire`: looks keys up and leases those that are ready, in one step (P11). */
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { jsonBytes, MessageRoom } from '../../protocol/message-room.js';
import { nameOf } from '../holder.js';
import type { AcquiredPage, CommandOf, ReplyOf } from '../messages.js';
import type { Entry, Holder } from '../records.js';
import type { StoreState } from '../state.js';

/** What page, generation and length of a key take in the answer at most. */
const PLACE_BYTES = 48;

/** `ready` alone would not say why a request that was ready cannot be acquired. */
const LEASES_ENDED = 'its leases have ended too: they were released, or not renewed in time, or it had no chunks';

export function acquire(state: StoreState, command: CommandOf<'acquire'>): ReplyOf<'acquire'> {
  const { holder: id, keys } = command;
  const known = readerNamed(state, command);
  const { keys: wanted, next } = answered(keys ?? known?.leases.keys() ?? [], command);
  const found: AcquiredPage[] = [];
  const missing: string[] = [];
  state.occupancy.refuseMoreChunks(wanted.filter((key) => known?.leases.has(key) !== true).length);
  const holder = known ?? state.addHolder(id, 'reader', 0);
  for (const key of wanted) {
    const entry = state.contents.get(key);
    if (entry?.ready && entry.place !== null && mayLease(state, entry)) {
      state.contents.lease(holder, entry);
      const { page, generation } = entry.place;
      found.push({ key, page, generation, length: entry.length });
    } else {
      missing.push(key);
    }
  }
  state.occupancy.set(holder, Math.max(holder.totalChunks, holder.leases.size));
  // A reader that finds nothing leaves nothing behind (P10). A ready request without chunks stays until its time is over.
  if (holder.leases.size === 0 && holder.state === 'reader') state.forget(holder);
  else state.renewLeases(holder);
  const pages = found.map(({ page }) => page);
  state.trail({ action: 'acquired', holder: id, keys: found.map(({ key }) => key), pages });
  return next === undefined ? { found, missing } : { found, missing, next };
}

/**
 * The keys that one answer takes, from number `from` on: those of a request in the order of the put. At least one, so that
 * the next answer takes others.
 */
function answered(
  all: Iterable<string>,
  { from = 0, limit = Number.POSITIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY }: CommandOf<'acquire'>,
): { readonly keys: string[]; readonly next?: number } {
  const keys: string[] = [];
  const room = new MessageRoom(bytesMax);
  let number = 0;
  for (const key of all) {
    if (number >= from) {
      const fits = keys.length < limit && room.take(jsonBytes(key) + PLACE_BYTES);
      if (!fits && keys.length > 0) return { keys, next: number };
      keys.push(key);
    }
    number += 1;
  }
  return { keys };
}

/** The holder that may read, or undefined for a new reader. Throws when it may not. */
function readerNamed(state: StoreState, { holder: id, keys }: CommandOf<'acquire'>): Holder | undefined {
  const holder = state.holders.get(nameOf(id));
  if (holder === undefined) {
    if (state.tombstone(id)?.end === 'ready') throw new RequestEndedError(id.request, 'ready', LEASES_ENDED);
    state.refuseEnded(id);
    if (keys === undefined) throw unknownRequest(id.request, id.epoch);
    state.occupancy.refuseMoreHolders(0);
    state.occupancy.refuseMoreReaders();
  }
  if (holder?.state === 'arriving') {
    throw new KvferryError('request_active', `request ${id.request} is not ready`, { field: 'request' });
  }
  return holder;
}

/** False for a retained page that is promised to an admitted request. */
function mayLease({ contents, admission }: StoreState, entry: Entry): boolean {
  return !contents.isRetained(entry) || contents.available > admission.reserved;
}
