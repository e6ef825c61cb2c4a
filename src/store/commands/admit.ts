/** Admits requests: reserves their pages, and places the batches that have arrived (P8). */
import type { Holder } from '../records.js';
import type { StoreState } from '../state.js';
import { place } from './place.js';

/** Admits a new request when no other one waits and it fits even if none of its chunks is in the arena. */
export function admitAtOnce(state: StoreState, holder: Holder): boolean {
  if (state.admission.waiting > 0 || holder.totalChunks > unpromised(state) || !state.canWrite(holder)) return false;
  admit(state, holder);
  return true;
}

/** Admits waiting requests, first come, first served, while they fit and the command has work left. */
export function admitWaiting(state: StoreState): void {
  for (;;) {
    const holder = state.admission.next(unpromised(state), state.canWrite);
    if (holder === undefined || !state.hasTime()) return;
    state.admission.withdraw(holder);
    admit(state, holder);
  }
}

/** Available pages that are promised to no request. */
function unpromised({ admission, contents }: StoreState): number {
  return contents.available - admission.reserved;
}

/**
 * Reserves a page for each chunk of the unit. Placing the batches gives back what they do not need. A unit that fits only
 * because others hold some of its chunks gets all its pages now: those chunks may be gone later. Another one may get them in
 * parts.
 */
function admit(state: StoreState, { unit }: Holder): void {
  const chunks = chunksOf(unit);
  const mayWait = chunks <= unpromised(state);
  state.admission.reserve(chunks);
  for (const holder of unit) promised(state, holder);
  for (const holder of unit) placeBatches(state, holder, mayWait);
}

function promised(state: StoreState, holder: Holder): void {
  state.work -= 1;
  if (holder.queued) state.trail({ action: 'admitted', holder: holder.id, keys: [] });
  holder.admitted = true;
  holder.reserved = holder.totalChunks;
  state.contents.stopWaiting(holder);
}

function placeBatches(state: StoreState, holder: Holder, mayWait: boolean): void {
  for (const batch of holder.batches.values()) {
    if (holder.refused !== undefined) return;
    if (mayWait && !state.hasTime()) state.placements.add(holder, batch);
    else place(state, holder, batch);
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
