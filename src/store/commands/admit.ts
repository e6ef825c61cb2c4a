/** Admits requests: reserves their pages, and places the batches that have arrived (P8). */
import type { Holder } from '../records.js';
import type { StoreState } from '../state.js';
import { place } from './place.js';

/** To count a key again for this many requests takes as long as to place a chunk. */
const REQUESTS_PER_CHUNK = 8;

/** Admits a new request when no other one waits and it fits even if none of its chunks is in the arena. */
export function admitAtOnce(state: StoreState, holder: Holder): boolean {
  if (state.admission.waiting > 0 || holder.totalChunks > unpromised(state) || !state.canWrite(holder)) return false;
  admit(state, holder);
  return true;
}

/** Admits waiting requests, first come, first served, while they fit and the command has work left. */
export function admitWaiting(state: StoreState): void {
  while (countHeld(state)) {
    const holder = state.admission.next(unpromised(state), state.canWrite);
    if (holder === undefined || !state.hasTime()) return;
    state.admission.withdraw(holder);
    admit(state, holder);
  }
}

/** Brings the counts up to date by which requests are admitted. False when the command has no time for all of them. */
function countHeld(state: StoreState): boolean {
  const { waiters } = state.contents;
  while (waiters.isOutdated) {
    if (!state.hasTime()) return false;
    state.work -= 1 + waiters.update() / REQUESTS_PER_CHUNK;
  }
  return true;
}

/** Available pages that are promised to no request. */
function unpromised({ admission, contents }: StoreState): number {
  return contents.available - admission.reserved;
}

/**
 * Reserves a page for each chunk of the unit. Placing the batches gives back what they do not need. A unit that fits only
 * because others hold some of its chunks reserves pages for the rest. It inherits those chunks from the last that holds them.
 */
function admit(state: StoreState, { unit }: Holder): void {
  const isHeir = chunksOf(unit) > unpromised(state);
  for (const holder of unit) promise(state, holder, isHeir);
  for (const holder of unit) placeBatches(state, holder);
}

function promise(state: StoreState, holder: Holder, isHeir: boolean): void {
  state.work -= 1;
  if (holder.queued) state.trail({ action: 'admitted', holder: holder.id, keys: [] });
  holder.admitted = true;
  if (isHeir) state.contents.heirs.add(holder);
  state.reserve(holder);
}

function placeBatches(state: StoreState, holder: Holder): void {
  for (const batch of holder.batches.values()) {
    if (holder.refused !== undefined) return;
    if (state.hasTime()) place(state, holder, batch);
    else state.placements.add(holder, batch);
  }
}

export function chunksOf(unit: readonly Holder[]): number {
  return unit.reduce((sum, { totalChunks }) => sum + totalChunks, 0);
}

/** The requests of the unit are no unit any more: one of them has ended. Those that are not admitted wait in no queue. */
export function dissolve(state: StoreState, holder: Holder): void {
  const { unit } = holder;
  state.admission.withdraw(holder);
  for (const member of unit) {
    member.held = unit.length > 1 && !member.admitted;
    member.unit = [member];
  }
}
