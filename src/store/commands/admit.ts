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
 * Reserves a page for each chunk. Placing the batches gives back what they do not need. A request that fits only because
 * others hold some of its chunks gets all its pages now: those chunks may be gone later. Another one may get them in parts.
 */
function admit(state: StoreState, holder: Holder): void {
  const { admission, contents, placements } = state;
  const mayWait = holder.totalChunks <= unpromised(state);
  state.work -= 1;
  admission.reserve(holder.totalChunks);
  if (holder.queued) state.trail({ action: 'admitted', holder: holder.id, keys: [] });
  holder.admitted = true;
  holder.reserved = holder.totalChunks;
  contents.stopWaiting(holder);
  for (const batch of holder.batches.values()) {
    if (holder.refused !== undefined) return;
    if (mayWait && !state.hasTime()) placements.add(holder, batch);
    else place(state, holder, batch);
  }
}
