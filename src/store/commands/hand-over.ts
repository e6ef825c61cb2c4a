/**
 * Hand-over (P2): an entry without a writer goes to a request that has joined it, whose sender still has the same bytes.
 * `decline`: that sender refuses.
 */
import { nameOf } from '../holder.js';
import type { CommandOf, EffectOf } from '../messages.js';
import type { Batch, Entry, Holder, Joiner, Place } from '../records.js';
import type { StoreState } from '../state.js';
import { findPart } from './find-part.js';

/** The chunks that one batch takes over in one step. */
interface HandOver {
  readonly holder: Holder;
  readonly batch: Batch;
  readonly grant: string;
  /** The last writer of the first of these chunks. */
  readonly from: EffectOf<'handed.over'>['from'];
  readonly positions: number[];
  readonly places: Place[];
  bytes: number;
}

/**
 * Gives every entry without a writer to the first of its joiners that can write. Admitted requests keep the pages that
 * are promised to them; requests that still wait come after.
 */
export function handOver(state: StoreState): void {
  const { contents, admission } = state;
  if (contents.orphans.size === 0) return;
  const handOvers = new Map<string, HandOver>();
  for (const entry of contents.orphans) {
    if (contents.available <= admission.reserved) break;
    const heir = entry.joiners.find((joiner) => canWrite(state, joiner));
    if (heir === undefined) continue;
    takeOver(state, entry, heir, handOvers);
  }
  for (const one of handOvers.values()) announce(state, one);
}

function takeOver(state: StoreState, entry: Entry, heir: Joiner, handOvers: Map<string, HandOver>): void {
  const { holder, batch: number, position } = heir;
  const name = `${number} ${holder.name}`;
  let one = handOvers.get(name);
  if (one === undefined) {
    const batch = holder.batches.get(number) as Batch;
    const grant = newestGrantOf(state, holder.id.epoch) as string;
    one = { holder, batch, grant, from: entry.left, positions: [], places: [], bytes: 0 };
    handOvers.set(name, one);
  }
  one.places.push(state.contents.adopt(entry, heir, one.grant));
  one.positions.push(position);
  one.bytes += entry.length;
}

function announce(
  state: StoreState,
  { holder: { id: holder }, batch, grant, from, positions, places, bytes }: HandOver,
) {
  const part = batch.parts.push({ positions, places, committed: false }) - 1;
  const pages = places.map(({ page }) => page);
  const generations = places.map(({ generation }) => generation);
  const { keys, batch: number } = batch.command;
  const chunks = { positions, pages, generations };
  state.emit({ type: 'handed.over', holder, batch: number, part, grant, ...chunks, bytes, from });
  const detail = from === undefined ? '' : `after ${from.writer.request}: ${from.reason?.message ?? 'it has ended'}`;
  const step = { holder, batch: number, keys, positions, pages, other: from?.writer };
  state.trail({ action: 'handed-over', ...step, detail });
}

function canWrite(state: StoreState, { holder, declined }: Joiner): boolean {
  const grant = newestGrantOf(state, holder.id.epoch);
  return !holder.drained && grant !== undefined && grant !== declined;
}

/** The remote key under which a sender of that epoch can write now. Undefined when all its keys are revoked. */
function newestGrantOf({ grants }: StoreState, epoch: string): string | undefined {
  let newest: string | undefined;
  for (const [grant, owner] of grants) if (owner === epoch) newest = grant;
  return newest;
}

/**
 * The sender has written nothing of the hand-over and will not. Another joiner may take over, or the same one under a
 * newer remote key.
 */
export function decline(state: StoreState, command: CommandOf<'decline'>): void {
  const { contents, holders, pages } = state;
  const holder = holders.get(nameOf(command.holder));
  if (holder?.state !== 'arriving') return;
  const { batch, part } = findPart(holder, command);
  if (command.part === 0 || part.committed) return;
  for (const [index, position] of part.positions.entries()) {
    const entry = holder.leases.get(batch.command.keys[position] as string);
    const place = part.places[index] as Place;
    if (entry === undefined || entry.place !== place) continue;
    pages.free(place.page, 'page.abandoned');
    contents.join(entry, { holder, batch: command.batch, position, declined: place.grant });
    contents.orphan(entry);
  }
}
