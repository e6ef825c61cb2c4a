/**
 * Pages of a batch whose remote key was revoked before their bytes arrived. They are bound to the next key of the sender when it
 * asks for the batch under that key: no write under the old one can land any more. The sender has begun none, or repeats it because
 * its provider failed. So a connection that breaks costs no batch that was not being written (P26).
 */
import { KvferryError } from '../../protocol/errors.js';
import type { Batch, Holder } from '../records.js';
import type { StoreState } from '../state.js';

/**
 * The remote key under which the pages of the allocation can be written. Throws `stale_grant` when it is revoked, and `named` is
 * no valid key of the sender: a late copy of a message names the old key, and says nothing about a write that was under way.
 */
export function validGrant(state: StoreState, { id, name }: Holder, batch: Batch, named: string): string {
  const grant = batch.grant as string;
  const [part] = batch.parts;
  if (part === undefined || part.committed || part.places.length === 0 || state.grants.has(grant)) return grant;
  if (state.grants.ownerOf(named) !== id.epoch) {
    const message = `grant ${grant} of batch ${batch.command.batch} of ${name} is revoked`;
    throw new KvferryError('stale_grant', message, { field: 'grant' });
  }
  for (const place of part.places) place.grant = named;
  batch.grant = named;
  const { positions, places } = part;
  const { batch: number, keys } = batch.command;
  const pages = places.map(({ page }) => page);
  state.trail({ action: 'granted', holder: id, batch: number, keys, positions, pages, detail: `bound to ${named}` });
  return named;
}
