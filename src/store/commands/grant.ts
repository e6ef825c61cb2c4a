/** `grant` and `fence`: the remote keys under which senders write into the arena. */
import type { CommandOf } from '../messages.js';
import type { StoreState } from '../state.js';

/** The remote key is valid from now on: what waited for one can be written. */
export function grant(state: StoreState, { grant: key, epoch }: CommandOf<'grant'>): void {
  state.grants.add(key, epoch);
  state.trail({ action: 'granted', keys: [], detail: `${key} to epoch ${epoch}` });
  state.contents.orphans.reconsider(epoch);
  state.admission.resume(epoch);
  state.placements.resume(epoch);
}

/** The remote key is revoked: the pages that only it could reach are safe. */
export function fence({ grants, contents, quarantine, trail }: StoreState, { grant: key }: CommandOf<'fence'>): void {
  const epoch = grants.ownerOf(key);
  grants.delete(key);
  // What was declined under this key may be possible under another key of the same sender.
  if (epoch !== undefined) contents.orphans.reconsider(epoch);
  const hasPages = quarantine.fenced(key);
  if (!hasPages) trail({ action: 'fenced', keys: [], pages: [], chunks: 0, detail: `${key} is revoked` });
}
