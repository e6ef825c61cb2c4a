/** `drained`: the writer's sender reports that no write of the request can land any more. */
import { nameOf } from '../holder.js';
import type { CommandOf } from '../messages.js';
import type { StoreState } from '../state.js';

export function drained({ holders, pages, quarantine, trail }: StoreState, { holder: id }: CommandOf<'drained'>): void {
  const name = nameOf(id);
  // `drained` may overtake the `end` of its request.
  const holder = holders.get(name);
  if (holder !== undefined) holder.drained = true;
  const freed = quarantine.takeDrained(name);
  for (const page of freed) pages.free(page, 'page.drained');
  if (freed.length > 0) trail({ action: 'drained', holder: id, keys: [], pages: freed, chunks: freed.length });
}
