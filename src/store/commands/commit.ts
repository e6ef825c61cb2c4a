/** `commit`: the bytes of a part have arrived, so its chunks are ready, for the writer and for all that joined (P1). */
import { unknownRequest } from '../../protocol/codec.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import { type HolderId, nameOf } from '../holder.js';
import type { CommandOf, EffectOf } from '../messages.js';
import type { Batch, Entry, Holder, Part } from '../records.js';
import type { StoreState } from '../state.js';
import { findPart } from './find-part.js';

type Commit = CommandOf<'commit'>;
type ChunksReady = EffectOf<'chunks.ready'> & { written: number; joined: number };

export function commit(state: StoreState, command: Commit): void {
  const holder = arriving(state, command.holder);
  const { batch, part } = findPart(holder, command);
  const { keys } = batch.command;
  const { positions } = part;
  const entries = positions.map((position) => holder.leases.get(keys[position] as string) as Entry);
  checkPages(command, holder, part, entries);
  checkLengths(command, entries);
  if (part.committed) return;
  part.committed = true;
  const { pages } = command;
  if (positions.length > 0) {
    state.trail({ action: 'committed', holder: holder.id, batch: command.batch, keys, positions, pages });
  }
  makeReady(state, holder, command, entries);
}

function arriving(state: StoreState, id: HolderId): Holder {
  const holder = state.holders.get(nameOf(id));
  if (holder?.state === 'arriving') return holder;
  state.refuseEnded(id);
  throw unknownRequest(id.request, id.epoch);
}

/** The commit must name exactly the pages of the part, at the generations that were given out with them (P13). */
function checkPages(command: Commit, holder: Holder, { places }: Part, entries: readonly Entry[]): void {
  const { pages, generations } = command;
  if (pages.length !== places.length) {
    const message = `${pages.length} pages are committed, ${places.length} were allocated`;
    throw new KvferryError('stale_handle', message, { field: 'pages' });
  }
  if (generations.length !== places.length) {
    throw invalidField('generations', `${generations.length} generations for ${places.length} pages`);
  }
  for (const [index, place] of places.entries()) {
    const { page, generation } = place;
    if (pages[index] !== page) {
      const message = `page ${pages[index]} is committed, page ${page} was allocated`;
      throw new KvferryError('stale_handle', message, { field: `pages[${index}]` });
    }
    if (generations[index] !== generation) {
      const message = `page ${page} is committed at generation ${generations[index]}, it was allocated at ${generation}`;
      throw new KvferryError('stale_handle', message, { field: `generations[${index}]` });
    }
    if (entries[index]?.place !== place) {
      const message = `page ${page} at generation ${generation} no longer belongs to ${holder.name}`;
      throw new KvferryError('stale_handle', message, { field: `generations[${index}]` });
    }
  }
}

function checkLengths({ lengths }: Commit, entries: readonly Entry[]): void {
  const isWrong = lengths.length !== entries.length || entries.some(({ length }, index) => length !== lengths[index]);
  if (isWrong) {
    throw new KvferryError('length_mismatch', 'the committed lengths are not the allocated ones', { field: 'lengths' });
  }
}

function makeReady(state: StoreState, writer: Holder, { batch, part }: Commit, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  const [written, joined] = part === 0 ? [entries.length, 0] : [0, entries.length];
  state.emit({ type: 'chunks.ready', holder: writer.id, batch, written, joined });
  for (const entry of entries) {
    state.pages.commit(entry.place?.page ?? -1);
    state.contents.arrived(entry);
  }
}

/** Reports to requests that had joined chunks that these are ready, while the command has work left. */
export function reportJoined(state: StoreState): void {
  const { arrivals, orphans } = state.contents;
  const progress = new Map<Batch, ChunksReady>();
  while (!arrivals.isEmpty && state.hasTime()) {
    const joiner = arrivals.take();
    if (joiner === undefined) break;
    const { holder, batch: number } = joiner;
    state.work -= 1;
    orphans.left(joiner);
    const batch = holder.state === 'arriving' ? holder.batches.get(number) : undefined;
    if (batch === undefined) continue;
    const known = progress.get(batch);
    if (known !== undefined) known.joined += 1;
    else progress.set(batch, { type: 'chunks.ready', holder: holder.id, batch: number, written: 0, joined: 1 });
  }
  for (const ready of progress.values()) state.emit(ready);
}
