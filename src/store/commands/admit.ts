/** Admits requests: reserves their pages and places the batches that have arrived (P8). */
import { toFailure } from '../../protocol/codec.js';
import { chargeOf } from '../admission.js';
import type { Batch, Holder } from '../records.js';
import type { StoreState } from '../state.js';
import { lengthMismatch } from './check-allocate.js';
import { place } from './place.js';

/** Admits a new request when no other one waits and it fits even if none of its chunks is in the arena. */
export function admitAtOnce(state: StoreState, holder: Holder): boolean {
  const { admission, contents } = state;
  if (admission.waiting > 0 || holder.totalChunks > contents.available - admission.reserved) return false;
  admitUnit(state, holder);
  return true;
}

/**
 * Admits waiting requests, first come, first served, while they fit. Behind the first that must wait, only a request that
 * needs no new page may pass: it takes nothing from those before it.
 */
export function admitWaiting(state: StoreState): void {
  const { admission, contents } = state;
  let headWaits = false;
  for (const holder of admission.queue) {
    const charge = chargeOf(holder);
    if (headWaits ? charge > 0 : charge > contents.available - admission.reserved) {
      headWaits = true;
      continue;
    }
    admission.withdraw(holder);
    if (fits(state, holder)) admitUnit(state, holder);
  }
}

/** The request will not be admitted. The other ranks of its unit wait outside the queue: their request ends as well. */
export function withdraw(state: StoreState, holder: Holder): void {
  state.admission.withdraw(holder);
  dissolve(holder);
}

/** The requests of the unit are no unit any more. Those that are not admitted wait outside the queue. */
export function dissolve({ unit }: Holder): void {
  for (const member of unit) {
    member.held = unit.length > 1 && !member.admitted;
    member.unit = [member];
  }
}

function admitUnit(state: StoreState, { unit }: Holder): void {
  // All pages are promised before the first batch takes any.
  for (const holder of unit) promise(state, holder);
  for (const holder of unit) admit(state, holder);
}

/** Reserves a page for each chunk. Placing the batches gives back what they do not need. */
function promise(state: StoreState, holder: Holder): void {
  state.admission.reserve(holder.totalChunks);
  if (holder.queued) state.trail({ action: 'admitted', holder: holder.id, keys: [] });
  holder.admitted = true;
  holder.reserved = holder.totalChunks;
}

function admit(state: StoreState, holder: Holder): void {
  state.contents.stopWaiting(holder);
  for (const batch of holder.batches.values()) place(state, holder, batch);
}

/** Refuses a waiting request, before any page is promised to its unit, when a batch no longer fits the arena. */
function fits(state: StoreState, { unit }: Holder): boolean {
  // Lengths of the keys that the ranks before will bring.
  const coming = new Map<string, { readonly length: number }>();
  for (const holder of unit) {
    for (const batch of holder.batches.values()) {
      if (batchFits(state, holder, batch, coming)) continue;
      dissolve(holder);
      return false;
    }
    if (unit.length > 1) note(coming, holder);
  }
  return true;
}

function note(coming: Map<string, { readonly length: number }>, { batches }: Holder): void {
  for (const { command } of batches.values()) {
    for (const [position, key] of command.keys.entries())
      coming.set(key, { length: command.lengths[position] as number });
  }
}

/** A key may have come into the arena with another length while the batch waited, or comes with another rank. */
function batchFits(
  state: StoreState,
  holder: Holder,
  { command }: Batch,
  coming: ReadonlyMap<string, { readonly length: number }>,
): boolean {
  const { keys, lengths, batch } = command;
  for (const [position, key] of keys.entries()) {
    const entry = state.contents.get(key) ?? coming.get(key);
    if (entry === undefined || entry.length === lengths[position]) continue;
    const reason = toFailure(lengthMismatch(entry, position, lengths));
    holder.refused = reason;
    state.emit({ type: 'refused', holder: holder.id, batch, reason });
    return false;
  }
  return true;
}
