/** The invariants of the store. Each check returns a sentence about the first that is broken, or undefined. */
import { OwnerAudit } from './owner-audit.js';
import type { Entry } from './records.js';
import type { StoreState } from './state.js';

/** All invariants. Takes time in proportion to the pages and the leases. */
export function brokenInvariant(state: StoreState): string | undefined {
  return checkCounts(state) ?? checkOwners(state) ?? checkLeases(state);
}

/** Every page is accounted for. Takes the same short time whatever the size of the arena. */
export function checkCounts(state: StoreState): string | undefined {
  const { total, free, writing, ready, quarantined, reserved } = state.pageCounts();
  if (free + writing + ready + quarantined !== total) {
    return `${free} free + ${writing} writing + ${ready} ready + ${quarantined} quarantined pages are not ${total}`;
  }
  if (free !== state.pages.freeCount) {
    return `${free} pages are free, but ${state.pages.freeCount} are on the free list`;
  }
  const owned = state.contents.size - state.contents.orphans.size;
  if (writing + ready !== owned) return `${writing + ready} pages are writing or ready, but ${owned} keys own a page`;
  if (quarantined !== state.quarantine.size) {
    return `${quarantined} pages are quarantined, but ${state.quarantine.size} are in the quarantine`;
  }
  const { available } = state.contents;
  if (reserved < 0 || reserved > available) return `${reserved} pages are reserved, but ${available} are available`;
  return undefined;
}

/** No page has two owners, and every page is in the state that its owner needs. Looks at every page and key. */
export function checkOwners(state: StoreState): string | undefined {
  return new OwnerAudit(state).whole();
}

/** Holders and entries agree about every lease, and the reservations add up. */
function checkLeases(state: StoreState): string | undefined {
  const { admission, contents, holders } = state;
  for (const entry of contents.values()) {
    const broken = checkEntry(state, entry);
    if (broken !== undefined) return broken;
  }
  let reserved = 0;
  for (const holder of holders.values()) {
    reserved += holder.reserved;
    if (holder.held && (holder.reserved > 0 || holder.leases.size > 0)) {
      return `${holder.name} has pages before its turn`;
    }
    for (const [key, entry] of holder.leases) {
      const isMutual = contents.get(key) === entry && entry.holders.has(holder);
      if (!isMutual) return `${holder.name} has a lease on ${key}, but the entry does not list it`;
    }
  }
  if (reserved === admission.reserved) return undefined;
  return `the holders have ${reserved} reserved pages, but ${admission.reserved} are counted`;
}

function checkEntry({ contents }: StoreState, entry: Entry): string | undefined {
  const { key, place, ready, holders, joiners } = entry;
  if (place === null) {
    if (ready) return `${key} is ready and has no page`;
    if (!contents.orphans.has(entry)) return `${key} has no writer and is not listed for a hand-over`;
  } else if (!ready && place.writer.leases.get(key) !== entry) {
    return `${place.writer.name} writes ${key} without a lease`;
  }
  const isRetained = contents.isRetained(entry);
  if ((holders.size === 0) !== isRetained) {
    return `${key} has ${holders.size} leases and is ${isRetained ? '' : 'not '}retained`;
  }
  if (ready && joiners !== undefined) return `${key} is ready, but ${joiners.size} requests still wait for it`;
  for (const holder of holders) {
    if (holder.leases.get(key) !== entry) return `${key} lists ${holder.name}, which has no lease on it`;
  }
  return undefined;
}
