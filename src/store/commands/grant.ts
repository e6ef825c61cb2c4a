/** `grant` and `fence`: the remote keys under which senders write into the arena. */
import type { CommandOf } from '../messages.js';
import type { StoreState } from '../state.js';

/** The remote key is valid from now on. */
export function grant({ grants, trail }: StoreState, { grant: key, epoch }: CommandOf<'grant'>): void {
  grants.set(key, epoch);
  trail({ action: 'granted', keys: [], detail: `${key} to epoch ${epoch}` });
}

/** The remote key is revoked: the pages that only it could reach are safe. */
export function fence({ grants, pages, quarantine, trail }: StoreState, { grant: key }: CommandOf<'fence'>): void {
  grants.delete(key);
  const freed = quarantine.takeFenced(key);
  for (const page of freed) pages.free(page, 'page.fenced');
  trail({ action: 'fenced', keys: [], pages: freed, chunks: freed.length, detail: `${key} is revoked` });
}
