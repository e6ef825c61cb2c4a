/** Finds the part of a batch that a commit or a decline names. */
import { KvferryError } from '../../protocol/errors.js';
import type { CommandOf } from '../messages.js';
import type { Batch, Holder, Part } from '../records.js';

/** Throws when the part was never allocated or handed over. */
export function findPart(
  holder: Holder,
  { batch: number, part: partNumber }: CommandOf<'commit' | 'decline'>,
): { batch: Batch; part: Part } {
  const batch = holder.batches.get(number);
  const part = batch?.parts[partNumber];
  if (batch === undefined || part === undefined) {
    const field = batch === undefined || batch.allocation === null ? 'batch' : 'part';
    throw new KvferryError('stale_handle', `batch ${number} of ${holder.name} has no part ${partNumber}`, { field });
  }
  return { batch, part };
}
