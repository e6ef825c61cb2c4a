/** Frees pages of the quarantine that no write can reach any more (P5). */
import type { HolderId } from '../holder.js';
import type { Proof } from '../quarantine.js';
import type { StoreState } from '../state.js';
import type { TrailStep } from '../trail.js';

export function freeSafePages(state: StoreState): void {
  const { pages, quarantine, trail } = state;
  while (quarantine.hasSafe && state.hasTime()) {
    const safe = quarantine.takeSafe(state.work);
    if (safe === undefined) return;
    const { pages: freed, proof } = safe;
    state.work -= freed.length;
    for (const page of freed) pages.free(page, proof.event);
    trail({ ...stepOf(proof), keys: [], pages: freed, chunks: freed.length });
  }
}

function stepOf(proof: Proof): Pick<TrailStep, 'action' | 'holder' | 'detail'> {
  if (proof.event === 'page.fenced') return { action: 'fenced', detail: `${proof.grant} is revoked` };
  const holder: HolderId = proof.writer;
  return { action: 'drained', holder };
}
