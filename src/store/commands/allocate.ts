/** `allocate`: a batch of a request arrives. It gets its answer at once, or waits until its request is admitted. */
import { KvferryError } from '../../protocol/errors.js';
import { NO_TURN } from '../admission.js';
import { nameOf } from '../holder.js';
import type { CommandOf } from '../messages.js';
import type { Batch, Holder } from '../records.js';
import type { StoreState } from '../state.js';
import { admitAtOnce, admitWaiting } from './admit.js';
import { checkAllocate } from './check-allocate.js';
import { answer, place } from './place.js';
import { validGrant } from './rebind.js';

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
  const batch: Batch = { command, allocation: null, grant: null, bytes: 0, parts: [] };
  holder.batches.set(command.batch, batch);
  holder.chunks += command.keys.length;
  holder.highestBatch = Math.max(holder.highestBatch, command.batch);
  if (command.last) holder.lastBatch = command.batch;
  if (holder.admitted) placeOrWait(state, holder, batch);
  else if (holder.held) hold(state, holder, batch);
  else if (!admitAtOnce(state, holder)) wait(state, holder, batch);
}

/** A message that arrives again gets the same answer (P8). Another message under the same number is refused. */
function answerAgain(state: StoreState, holder: Holder, batch: Batch, command: Allocate): void {
  const { batch: number } = command;
  if (!isSame(batch.command, command)) {
    const message = `batch ${number} of ${holder.name} was already received with different content`;
    throw new KvferryError('duplicate_batch', message, { field: 'batch' });
  }
  const { allocation, bytes } = batch;
  if (allocation === null) {
    if (holder.refused === undefined) reportQueued(state, holder, batch);
    return;
  }
  const grant = validGrant(state, holder, batch, command.grant);
  answer(state, holder, { command: batch.command, bytes, allocation, grant }, false);
}

/** The request is admitted. Its batch waits only for earlier batches that wait. */
function placeOrWait(state: StoreState, holder: Holder, batch: Batch): void {
  if (holder.unplaced.size === 0) {
    place(state, holder, batch);
    return;
  }
  for (const key of batch.command.keys) holder.waitingKeys.add(key);
  state.placements.add(holder, batch);
  reportQueued(state, holder, batch);
}

function addRequest(state: StoreState, { holder: id, totalChunks, held = false }: Allocate): Holder {
  const holder = state.addHolder(id, 'arriving', totalChunks);
  holder.held = held;
  return holder;
}

/** The rank waits for its turn, and keeps nothing from other requests. */
function hold(state: StoreState, holder: Holder, batch: Batch): void {
  for (const key of batch.command.keys) state.contents.waiters.add(holder, key);
  reportQueued(state, holder, batch);
}

/** Puts the request into the queue; it may still be admitted at once, when it needs no new page. */
function wait(state: StoreState, holder: Holder, batch: Batch): void {
  const { command } = batch;
  state.work -= command.keys.length;
  for (const key of command.keys) state.contents.waiters.add(holder, key);
  state.admission.enqueue(holder);
  admitWaiting(state);
  if (batch.allocation !== null || holder.refused !== undefined) return;
  reportQueued(state, holder, batch);
  holder.queued = true;
  const charge = state.charge(holder);
  const detail = `needs ${charge} ${charge === 1 ? 'page' : 'pages'}; ${state.contents.available} are available`;
  state.trail({ action: 'queued', holder: holder.id, batch: command.batch, keys: command.keys, detail });
}

export function reportQueued(state: StoreState, holder: Holder, { command: { batch } }: Batch): void {
  const { id, held, turn } = holder;
  const charge = turn === NO_TURN && !held ? 0 : state.charge(holder);
  state.emit({ type: 'queued', holder: id, batch, charge, held });
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
