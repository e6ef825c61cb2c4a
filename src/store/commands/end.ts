/** `end`: a request ends, once. A request that ends `ready` keeps its leases; any other end takes everything back. */
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import { nameOf } from '../holder.js';
import type { CommandOf } from '../messages.js';
import type { Entry, Holder, Place } from '../records.js';
import type { StoreState } from '../state.js';
import { dissolve } from './admit.js';

export function endRequest(state: StoreState, command: CommandOf<'end'>): void {
  const { holder: id, end, reason } = command;
  const name = nameOf(id);
  const holder = state.holders.get(name);
  // A ready request stays ready, however late another end arrives.
  if (holder !== undefined && holder.state !== 'arriving') return;
  if (holder !== undefined && end === 'ready' && !isComplete(holder)) {
    throw new KvferryError('internal', `request ${name} is not complete: it cannot be ready`);
  }
  state.tombstones.add(id, end, reason, state.nowMs);
  reportEnd(state, command, holder);
  if (holder === undefined) return;
  state.giveUpPages(holder);
  if (end === 'ready') keepLeases(state, holder);
  else leave(state, holder, reason);
}

/** True when every batch, and every byte of it, has arrived. */
function isComplete(holder: Holder): boolean {
  if (holder.lastBatch === null || holder.batches.size !== holder.lastBatch + 1 || holder.toPlace > 0) return false;
  return holder.leases.size === holder.chunks && [...holder.leases.values()].every((entry) => entry.ready);
}

function reportEnd(state: StoreState, { holder: id, end, reason }: CommandOf<'end'>, holder: Holder | undefined): void {
  const keys = end === 'ready' ? [] : [...(holder?.leases.keys() ?? [])];
  const detail = reason === undefined ? end : `${end}: ${reason.message}`;
  state.trail({ action: 'ended', holder: id, keys, chunks: holder?.leases.size ?? 0, detail });
}

function keepLeases(state: StoreState, holder: Holder): void {
  holder.state = 'ready';
  holder.endedAtMs = state.nowMs;
  state.renewLeases(holder);
  putInOrder(holder);
  holder.batches.clear();
}

/** `acquire` lists the leases in the order of the put, in whatever order the batches arrived. */
function putInOrder({ batches, leases }: Holder): void {
  const numbers = [...batches.keys()];
  if (numbers.every((number, index) => number === index)) return;
  for (const number of numbers.sort((one, other) => one - other)) {
    for (const key of batches.get(number)?.command.keys ?? []) {
      const entry = leases.get(key);
      leases.delete(key);
      if (entry !== undefined) leases.set(key, entry);
    }
  }
}

/** The request holds nothing any more. Its keys and leases are taken back one by one. */
function leave(state: StoreState, holder: Holder, reason: Failure | undefined): void {
  dissolve(state, holder);
  state.forget(holder);
  holder.state = 'leaving';
  state.leaving.set(holder, reason);
}

/** Takes leases of holders that are gone back, while the command has time. */
export function takeBack(state: StoreState): void {
  for (const [holder, reason] of state.leaving) {
    if (!state.hasTime()) return;
    takeBackLeases(state, holder, reason);
    if (holder.leases.size === 0 && holder.waitingKeys.size === 0) state.leaving.delete(holder);
  }
}

function takeBackLeases(state: StoreState, holder: Holder, reason: Failure | undefined): void {
  const quarantined: { keys: string[]; pages: number[] } = { keys: [], pages: [] };
  for (const key of holder.waitingKeys) {
    if (!state.hasTime()) return;
    state.work -= 1;
    holder.waitingKeys.delete(key);
    state.contents.waiters.delete(holder, key);
  }
  for (const entry of holder.leases.values()) {
    if (!state.hasTime()) break;
    state.work -= 1;
    const { key, ready, place } = entry;
    if (ready || place?.writer !== holder) state.contents.unlease(holder, entry);
    else if (abandon(state, entry, place, reason) === 'quarantined') {
      quarantined.keys.push(key);
      quarantined.pages.push(place.page);
    }
  }
  if (quarantined.keys.length > 0) state.trail({ action: 'quarantined', holder: holder.id, ...quarantined });
}

/** The writer of an unfinished entry is gone: its page is made safe (P5), and a joiner may take over (P2). */
function abandon(state: StoreState, entry: Entry, place: Place, reason: Failure | undefined): 'quarantined' | 'free' {
  const { writer } = place;
  const became = state.leave(place);
  writer.leases.delete(entry.key);
  entry.holders.delete(writer);
  entry.left = { writer: writer.id, reason };
  state.contents.orphan(entry);
  return became;
}
