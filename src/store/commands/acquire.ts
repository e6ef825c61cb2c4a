/** `acquire`: looks keys up and leases those that are ready, in one step (P11). */
import { unknownRequest } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { jsonBytes, MessageRoom } from '../../protocol/message-room.js';
import { nameOf } from '../holder.js';
import type { AcquiredPage, CommandOf, ReplyOf } from '../messages.js';
import type { Entry, Holder } from '../records.js';
import type { StoreState } from '../state.js';

/** What page, generation and length of a key take in the answer at most. */
const PLACE_BYTES = 48;

export function acquire(state: StoreState, command: CommandOf<'acquire'>): ReplyOf<'acquire'> {
  const { holder: id, keys, from = 0 } = command;
  const known = readerNamed(state, command);
  const all = keys ?? [...(known?.leases.keys() ?? [])];
  const wanted = answered(all, command);
  const found: AcquiredPage[] = [];
  const missing: string[] = [];
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
  holder.expiresAtMs = state.nowMs + state.options.leaseMs;
  // A reader that finds nothing leaves nothing behind (P10).
  if (holder.leases.size === 0) state.holders.delete(holder.name);
  const pages = found.map(({ page }) => page);
  state.trail({ action: 'acquired', holder: id, keys: found.map(({ key }) => key), pages });
  const next = from + wanted.length;
  return next < all.length ? { found, missing, next } : { found, missing };
}

/** The keys that one answer takes: at least one, so that the next answer takes others. */
function answered(
  all: readonly string[],
  { from = 0, limit = Number.POSITIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY }: CommandOf<'acquire'>,
): readonly string[] {
  const room = new MessageRoom(bytesMax);
  const end = Math.min(all.length, from + limit);
  let next = from;
  while (next < end && (room.take(jsonBytes(all[next]) + PLACE_BYTES) || next === from)) next += 1;
  return all.slice(from, next);
}

/** The holder that may read, or undefined for a new reader. Throws when it may not. */
function readerNamed(state: StoreState, { holder: id, keys }: CommandOf<'acquire'>): Holder | undefined {
  const holder = state.holders.get(nameOf(id));
  if (holder === undefined) {
    state.refuseEnded(id);
    if (keys === undefined) throw unknownRequest(id.request, id.epoch);
    state.refuseMoreHolders();
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
