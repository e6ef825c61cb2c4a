/**
 * Pages of a batch whose remote key was revoked before their bytes arrived. They are bound to the next key of the sender: no
 * write under the old one can land any more. So a connection that breaks costs no batch that was not being written (P26).
 */
import { KvferryError } from '../../protocol/errors.js';
import type { Batch, Holder } from '../records.js';
import type { StoreState } from '../state.js';

/** The remote key under which the pages of the allocation can be written. Throws `stale_grant` when the sender has none. */
export function validGrant(state: StoreState, holder: Holder, batch: Batch): string {
  const grant = batch.grant as string;
  const [part] = batch.parts;
  if (part === undefined || part.committed || part.places.length === 0 || state.grants.has(grant)) return grant;
  const newest = state.grants.newestOf(holder.id.epoch);
  if (newest === undefined) {
    const message = `grant ${grant} of batch ${batch.command.batch} of ${holder.name} is revoked`;
    throw new KvferryError('stale_grant', message, { field: 'grant' });
  }
  for (const place of part.places) place.grant = newest;
  batch.grant = newest;
  reportBound(state, holder, batch, newest);
  return newest;
}

function reportBound({ trail }: StoreState, { id: holder }: Holder, { command, parts }: Batch, grant: string): void {
  const { batch, keys } = command;
  const { positions = [], places = [] } = parts[0] ?? {};
  const pages = places.map(({ page }) => page);
  trail({ action: 'granted', holder, batch, keys, positions, pages, detail: `bound to ${grant}` });
}
