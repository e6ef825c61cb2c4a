/** Gives a batch of an admitted request its pages, and answers it. */

import type { Allocation } from '../../protocol/allocation.js';
import { toFailure } from '../../protocol/codec.js';
import type { Batch, Holder, Place } from '../records.js';
import type { StoreState } from '../state.js';
import { lengthMismatch } from './check-allocate.js';

/** Places batches of admitted requests whose senders can write, while the command has work left. */
export function placeAdmitted(state: StoreState): void {
  const { placements } = state;
  for (let next = placements.next(state.canWrite); next !== undefined; next = placements.next(state.canWrite)) {
    if (!state.hasTime()) return;
    place(state, next.holder, next.batch);
  }
}

/**
 * Looks every key up and decides in one step (S1–S3): the request writes it, joins its writer, or finds it ready. The pages are
 * bound to the newest remote key of the sender. The caller makes sure that there is one.
 */
export function place(state: StoreState, holder: Holder, batch: Batch): void {
  const { placements, grants } = state;
  const { keys } = batch.command;
  state.work -= keys.length;
  placements.placed(holder, batch);
  if (isRefused(state, holder, batch)) return;
  const grant = grants.newestOf(holder.id.epoch) as string;
  const positions: number[] = [];
  const allocation = decide(state, holder, batch, { grant, positions });
  holder.toPlace -= keys.length;
  state.reserve(holder);
  if (holder.waitingKeys.size === 0) state.contents.heirs.delete(holder);
  batch.allocation = allocation;
  batch.grant = grant;
  report(state, holder, batch, positions, allocation);
  answer(state, holder, { command: batch.command, bytes: batch.bytes, allocation, grant }, true);
}

/** Answers a batch with its allocation; `first` is false for a repeated message. */
export function answer(
  state: StoreState,
  { id: holder }: Holder,
  placed: Pick<Batch, 'command' | 'bytes'> & { readonly allocation: Allocation; readonly grant: string },
  first: boolean,
): void {
  const { command, bytes, allocation, grant } = placed;
  const { batch, last } = command;
  state.emit({ type: 'allocated', holder, batch, last, grant, allocation, bytes, first });
}

/** Adds what the request must write to `positions`, and to part 0 of the batch. */
function decide(
  { contents }: StoreState,
  holder: Holder,
  batch: Batch,
  { grant, positions }: { readonly grant: string; readonly positions: number[] },
): Allocation {
  const { keys, lengths, batch: number } = batch.command;
  const places: Place[] = [];
  const alreadySent: number[] = [];
  const joined: number[] = [];
  // This comes first: making room for missing keys must not evict the keys that are found.
  for (const key of keys) contents.revive(key);
  for (const [position, key] of keys.entries()) {
    if (holder.waitingKeys.delete(key)) {
      contents.waiters.delete(holder, key);
      // A lease that was inherited takes its place in the order of the put.
      holder.leases.delete(key);
    }
    const known = contents.get(key);
    if (known === undefined) {
      const length = lengths[position] as number;
      const added = contents.add(key, length, holder, grant);
      positions.push(position);
      places.push(added.place);
      batch.bytes += length;
      contents.lease(holder, added.entry);
      continue;
    }
    alreadySent.push(position);
    if (!known.ready) {
      joined.push(position);
      contents.join({ entry: known, holder, batch: number, position, declined: undefined });
    }
    contents.lease(holder, known);
  }
  batch.parts.push({ positions, places, committed: false });
  const pages = places.map(({ page }) => page);
  const generations = places.map(({ generation }) => generation);
  return { pages, generations, alreadySent, joined };
}

/** A key may have come into the arena with another length while the batch waited. Then the request gets no page any more. */
function isRefused(state: StoreState, holder: Holder, { command }: Batch): boolean {
  const { keys, lengths, batch } = command;
  for (const [position, key] of keys.entries()) {
    const entry = state.contents.get(key);
    if (entry === undefined || entry.length === lengths[position]) continue;
    const reason = toFailure(lengthMismatch(entry, position, lengths));
    holder.refused = reason;
    state.giveUpPages(holder);
    state.emit({ type: 'refused', holder: holder.id, batch, reason });
    return true;
  }
  return false;
}

function report(
  { contents, trail }: StoreState,
  { id: holder }: Holder,
  { command: { keys, batch } }: Batch,
  written: readonly number[],
  { pages, alreadySent, joined }: Allocation,
): void {
  const step = { holder, batch, keys };
  if (pages.length > 0) trail({ action: 'allocated', ...step, positions: written, pages });
  const [first] = joined;
  if (first !== undefined) {
    const other = contents.get(keys[first] as string)?.place?.writer.id;
    trail({ action: 'joined', ...step, positions: joined, other });
  }
  if (alreadySent.length === joined.length) return;
  const waits = new Set(joined);
  const positions = waits.size === 0 ? alreadySent : alreadySent.filter((position) => !waits.has(position));
  trail({ action: 'deduplicated', ...step, positions });
}
