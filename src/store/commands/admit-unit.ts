/** `admit`: ranks of one request had their turn (P22). They enter the queue as one unit: all of them are admitted, or none. */
import { unknownRequest } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import { nameOf } from '../holder.js';
import type { CommandOf } from '../messages.js';
import type { Holder } from '../records.js';
import type { StoreState } from '../state.js';
import { admitWaiting, chunksOf, dissolve } from './admit.js';
import { reportQueued } from './allocate.js';

/** Throws when one of the ranks is not here: it has ended, and so will the others. */
export function admitUnit(state: StoreState, { holders }: CommandOf<'admit'>): void {
  const unit = holders.map((id) => {
    const holder = state.holders.get(nameOf(id));
    if (holder?.state === 'arriving') return holder;
    state.refuseEnded(id);
    throw unknownRequest(id.request, id.epoch);
  });
  const [first] = unit;
  // A message that arrives again changes nothing.
  if (first === undefined || !unit.every(({ held, refused }) => held && refused === undefined)) return;
  for (const holder of unit) {
    holder.held = false;
    holder.unit = unit;
  }
  if (fits(state, first)) wait(state, first);
}

/** Fails the ranks when they can never be admitted together. */
function fits(state: StoreState, first: Holder): boolean {
  const chunks = chunksOf(first.unit);
  const { pages } = state.options;
  if (chunks <= pages) return true;
  const message = `the ranks of the request at this agent have ${chunks} chunks, its arena has ${pages} pages`;
  const reason: Failure = { code: 'request_too_large', message };
  first.refused = reason;
  dissolve(state, first);
  state.emit({ type: 'refused', holder: first.id, batch: 0, reason });
  return false;
}

/** Puts the unit into the queue; it may be admitted at once. */
function wait(state: StoreState, first: Holder): void {
  state.admission.enqueue(first);
  admitWaiting(state);
  if (first.admitted) return;
  const charge = state.charge(first);
  const detail = `needs ${charge} ${charge === 1 ? 'page' : 'pages'}; ${state.contents.available} are available`;
  for (const holder of first.unit) {
    holder.queued = true;
    for (const batch of holder.batches.values()) reportQueued(state, holder, batch);
    state.trail({ action: 'queued', holder: holder.id, keys: [], detail });
  }
}
