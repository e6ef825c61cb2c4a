/** `release`: drops leases of a ready request or a reader. A second release of the same keys changes nothing (P4). */
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { nameOf } from '../holder.js';
import type { CommandOf, ReplyOf } from '../messages.js';
import type { StoreState } from '../state.js';

export function release(state: StoreState, command: CommandOf<'release'>): ReplyOf<'release'> {
  const { holder: id, keys } = command;
  const { contents, holders } = state;
  const holder = holders.get(nameOf(id));
  if (holder === undefined) return releaseNothing(state, command);
  if (holder.state === 'arriving') {
    const message = `request ${id.request} is not ready: cancel it instead of releasing it`;
    throw new KvferryError('request_active', message, { field: 'request' });
  }
  const before = contents.available;
  let existed = 0;
  const released = keys ?? [...holder.leases.keys()];
  for (const key of released) {
    const entry = contents.get(key);
    if (entry === undefined) continue;
    existed += 1;
    if (entry.holders.has(holder)) contents.unlease(holder, entry);
  }
  state.trail({ action: 'released', holder: id, keys: released });
  if (holder.leases.size === 0) state.dropHolder(holder, 'released');
  return { existed, freedPages: contents.available - before };
}

/** The reply to a request that holds nothing any more. Throws when it never was ready. */
function releaseNothing(state: StoreState, { holder: id, keys = [] }: CommandOf<'release'>): ReplyOf<'release'> {
  const tombstone = state.tombstone(id);
  if (tombstone === undefined) throw unknownRequest(id.request, id.epoch);
  if (tombstone.end !== 'ready') throw new RequestEndedError(id.request, tombstone.end, tombstone.reason);
  return { existed: keys.filter((key) => state.contents.has(key)).length, freedPages: 0 };
}
