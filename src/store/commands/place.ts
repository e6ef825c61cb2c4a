/** Gives a batch of an admitted request its pages, and answers it. */
import type { Allocation } from '../../protocol/allocation.js';
import type { Batch, Holder, Place } from '../records.js';
import type { StoreState } from '../state.js';

/** Looks every key up and decides in one step (S1–S3): the request writes it, joins its writer, or finds it ready. */
export function place(state: StoreState, holder: Holder, batch: Batch): void {
  const { contents } = state;
  const { keys, lengths, grant, batch: number } = batch.command;
  const positions: number[] = [];
  const places: Place[] = [];
  const alreadySent: number[] = [];
  const joined: number[] = [];
  // This comes first: making room for missing keys must not evict the keys that are found.
  for (const key of keys) contents.revive(key);
  for (const [position, key] of keys.entries()) {
    const known = contents.get(key);
    if (known === undefined) {
      const length = lengths[position] as number;
      const added = contents.add(key, length, holder, grant);
      positions.push(position);
      places.push(added.place);
      batch.bytes += length;
      contents.lease(holder, added.entry);
      continue;
    }
    alreadySent.push(position);
    if (!known.ready) {
      joined.push(position);
      contents.join(known, { holder, batch: number, position });
    }
    contents.lease(holder, known);
  }
  holder.reserved -= keys.length;
  state.admission.settle(keys.length);
  batch.parts.push({ positions, places, committed: false });
  const pages = places.map(({ page }) => page);
  const generations = places.map(({ generation }) => generation);
  const allocation = { pages, generations, alreadySent, joined };
  batch.allocation = allocation;
  report(state, holder, batch, positions, allocation);
  answer(state, holder, batch, allocation, true);
}

/** Answers a batch with its allocation; `first` is false for a repeated message. */
export function answer(state: StoreState, holder: Holder, batch: Batch, allocation: Allocation, first: boolean): void {
  const { batch: number, last } = batch.command;
  const { bytes } = batch;
  state.emit({ type: 'allocated', holder: holder.id, batch: number, last, allocation, bytes, first });
}

function report(
  { contents, trail }: StoreState,
  { id: holder }: Holder,
  { command: { keys, batch } }: Batch,
  written: readonly number[],
  { pages, alreadySent, joined }: Allocation,
): void {
  const step = { holder, batch, keys };
  if (pages.length > 0) trail({ action: 'allocated', ...step, positions: written, pages });
  const [first] = joined;
  if (first !== undefined) {
    const other = contents.get(keys[first] as string)?.place?.writer.id;
    trail({ action: 'joined', ...step, positions: joined, other });
  }
  if (alreadySent.length === joined.length) return;
  const waits = new Set(joined);
  const positions = waits.size === 0 ? alreadySent : alreadySent.filter((position) => !waits.has(position));
  trail({ action: 'deduplicated', ...step, positions });
}
