/** `allocate`: a batch of a request arrives. It gets its answer at once, or waits until its request is admitted. */
import { KvferryError } from '../../protocol/errors.js';
import { chargeOf } from '../admission.js';
import { nameOf } from '../holder.js';
import type { CommandOf } from '../messages.js';
import type { Batch, Holder } from '../records.js';
import type { StoreState } from '../state.js';
import { admitAtOnce, admitWaiting } from './admit.js';
import { checkAllocate } from './check-allocate.js';
import { answer, place } from './place.js';

type Allocate = CommandOf<'allocate'>;

export function allocate(state: StoreState, command: Allocate): void {
  state.refuseEnded(command.holder);
  const known = state.holders.get(nameOf(command.holder));
  const repeated = known?.batches.get(command.batch);
  if (known !== undefined && repeated !== undefined) {
    answerAgain(state, known, repeated, command);
    return;
  }
  checkAllocate(state, command, known);
  const holder = known ?? addRequest(state, command);
  const batch: Batch = { command, allocation: null, bytes: 0, parts: [] };
  holder.batches.set(command.batch, batch);
  holder.chunks += command.keys.length;
  holder.highestBatch = Math.max(holder.highestBatch, command.batch);
  if (command.last) holder.lastBatch = command.batch;
  if (holder.admitted) place(state, holder, batch);
  else if (holder.held) hold(state, holder, command);
  else if (!admitAtOnce(state, holder)) wait(state, holder, command);
}

/** A message that arrives again gets the same answer (P8). Another message under the same number is refused. */
function answerAgain(state: StoreState, holder: Holder, batch: Batch, command: Allocate): void {
  const { batch: number, grant } = command;
  const first = batch.command;
  if (!isSame(first, command)) {
    const message = `batch ${number} of ${holder.name} was already received with different content`;
    throw new KvferryError('duplicate_batch', message, { field: 'batch' });
  }
  // The pages belong to the write under the first key; under another key they would lose their fence.
  if (first.grant !== grant) {
    const message = `batch ${number} of ${holder.name} belongs to grant ${first.grant}, not ${grant}`;
    throw new KvferryError('stale_grant', message, { field: 'grant' });
  }
  if (!state.grants.has(grant)) {
    const message = `grant ${grant} of batch ${number} of ${holder.name} is revoked`;
    throw new KvferryError('stale_grant', message, { field: 'grant' });
  }
  if (batch.allocation !== null) answer(state, holder, batch, batch.allocation, false);
}

function addRequest(state: StoreState, { holder: id, totalChunks, held = false }: Allocate): Holder {
  const holder = state.addHolder(id, 'arriving', totalChunks);
  holder.held = held;
  return holder;
}

/** The rank waits for its turn, and keeps nothing from other requests. */
function hold(state: StoreState, holder: Holder, { batch, keys }: Allocate): void {
  for (const key of keys) state.contents.waitFor(holder, key);
  state.emit({ type: 'queued', holder: holder.id, batch, charge: chargeOf(holder), held: true });
}

/** Puts the request into the queue; it may still be admitted at once, when it needs no new page. */
function wait(state: StoreState, holder: Holder, { batch, keys }: Allocate): void {
  for (const key of keys) state.contents.waitFor(holder, key);
  state.admission.enqueue(holder);
  admitWaiting(state);
  if (holder.admitted || holder.refused !== undefined) return;
  const charge = chargeOf(holder);
  state.emit({ type: 'queued', holder: holder.id, batch, charge, held: false });
  holder.queued = true;
  const detail = `needs ${charge} ${charge === 1 ? 'page' : 'pages'}; ${state.contents.available} are available`;
  state.trail({ action: 'queued', holder: holder.id, batch, keys, detail });
}

function isSame(one: Allocate, other: Allocate): boolean {
  return (
    one.last === other.last &&
    one.totalChunks === other.totalChunks &&
    one.keys.length === other.keys.length &&
    one.lengths.length === other.lengths.length &&
    one.keys.every((key, position) => key === other.keys[position]) &&
    one.lengths.every((length, position) => length === other.lengths[position])
  );
}
