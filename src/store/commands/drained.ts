/** `drained`: the writer's sender reports that no write of the request can land any more, and that it starts none. */
import { nameOf } from '../holder.js';
import type { CommandOf } from '../messages.js';
import type { StoreState } from '../state.js';

export function drained({ holders, leaving, quarantine }: StoreState, { holder: id }: CommandOf<'drained'>): void {
  const name = nameOf(id);
  // `drained` may overtake the `end` of its request, and the return of its pages.
  const holder = holders.get(name);
  if (holder !== undefined) holder.drained = true;
  for (const other of leaving.keys()) if (other.name === name) other.drained = true;
  quarantine.drained(id, name);
}
