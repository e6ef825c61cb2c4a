/** `release`: drops leases of a ready request or a reader. A second release of the same keys changes nothing (P4). */
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { nameOf } from '../holder.js';
import type { CommandOf, ReplyOf } from '../messages.js';
import type { Holder } from '../records.js';
import type { StoreState } from '../state.js';

export function release(state: StoreState, command: CommandOf<'release'>): ReplyOf<'release'> {
  const { holder: id, keys } = command;
  const holder = state.holders.get(nameOf(id));
  if (holder === undefined) return releaseNothing(state, command);
  if (holder.state === 'arriving') {
    const message = `request ${id.request} is not ready: cancel it instead of releasing it`;
    throw new KvferryError('request_active', message, { field: 'request' });
  }
  const reply = keys === undefined ? releaseAll(holder) : releaseKeys(state, holder, keys);
  state.trail({ action: 'released', holder: id, keys: keys ?? [...holder.leases.keys()] });
  if (keys === undefined || holder.leases.size === 0) state.dropHolder(holder, 'released');
  else state.occupancy.set(holder, Math.max(holder.totalChunks, holder.leases.size));
  return reply;
}

/** Pages that no other holder leases are free when the leases have been taken back, a part of them in each turn. */
function releaseAll({ leases }: Holder): ReplyOf<'release'> {
  let freedPages = 0;
  for (const { holders } of leases.values()) if (holders.size === 1) freedPages += 1;
  return { existed: leases.size, freedPages };
}

function releaseKeys({ contents }: StoreState, holder: Holder, keys: readonly string[]): ReplyOf<'release'> {
  const before = contents.available;
  let existed = 0;
  for (const key of keys) {
    const entry = contents.get(key);
    if (entry === undefined) continue;
    existed += 1;
    if (entry.holders.has(holder)) contents.unlease(holder, entry);
  }
  return { existed, freedPages: contents.available - before };
}

/** The reply to a request that holds nothing any more. Throws when it never was ready. */
function releaseNothing(state: StoreState, { holder: id, keys = [] }: CommandOf<'release'>): ReplyOf<'release'> {
  const tombstone = state.tombstone(id);
  if (tombstone === undefined) throw unknownRequest(id.request, id.epoch);
  if (tombstone.end !== 'ready') throw new RequestEndedError(id.request, tombstone.end, tombstone.reason);
  return { existed: keys.filter((key) => state.contents.has(key)).length, freedPages: 0 };
}
