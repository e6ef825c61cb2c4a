/**
 * Hand-over (P2): an entry without a writer goes to a request that has joined it, whose sender still has the same bytes.
 * `decline`: that sender refuses.
 */
import { nameOf } from '../holder.js';
import type { CommandOf, EffectOf } from '../messages.js';
import type { Batch, Holder, Joiner, Place } from '../records.js';
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
 * Gives entries without a writer to the first of their joiners that can write, while the command has work left. Admitted
 * requests keep the pages that are promised to them; requests that still wait come after.
 */
export function handOver(state: StoreState): void {
  const { contents, admission } = state;
  const handOvers = new Map<string, HandOver>();
  while (contents.available > admission.reserved) {
    const heir = contents.orphans.next((joiner) => canWrite(state, joiner));
    if (heir === undefined || !state.hasTime()) break;
    takeOver(state, heir, handOvers);
  }
  for (const one of handOvers.values()) announce(state, one);
}

function takeOver(state: StoreState, heir: Joiner, handOvers: Map<string, HandOver>): void {
  const { entry, holder, batch: number, position } = heir;
  const name = `${number} ${holder.name}`;
  let one = handOvers.get(name);
  if (one === undefined) {
    const batch = holder.batches.get(number) as Batch;
    const grant = state.grants.newestOf(holder.id.epoch) as string;
    one = { holder, batch, grant, from: entry.left, positions: [], places: [], bytes: 0 };
    handOvers.set(name, one);
  }
  state.work -= 1;
  one.places.push(state.contents.adopt(heir, one.grant));
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

function canWrite({ grants }: StoreState, { holder, declined }: Joiner): boolean {
  const grant = grants.newestOf(holder.id.epoch);
  return holder.state === 'arriving' && !holder.drained && grant !== undefined && grant !== declined;
}

/**
 * The request does not write what was handed over to it. Another joiner may take over, or the same one under a newer remote
 * key. The pages are free only if the sender has proven that it never took them. A refusal proves nothing by itself: the
 * sender may have taken the part when it was asked before, and its bytes may be on their way (P5).
 */
export function decline(state: StoreState, command: CommandOf<'decline'>): void {
  const holder = state.holders.get(nameOf(command.holder));
  if (holder?.state !== 'arriving') return;
  const { batch, part } = findPart(holder, command);
  if (command.part === 0 || part.committed) return;
  const quarantined: { keys: string[]; pages: number[] } = { keys: [], pages: [] };
  for (const [index, position] of part.positions.entries()) {
    const key = batch.command.keys[position] as string;
    const entry = holder.leases.get(key);
    const place = part.places[index] as Place;
    if (entry === undefined || entry.place !== place) continue;
    if (command.taken === 'never') state.pages.free(place.page, 'page.abandoned');
    else if (state.leave(place) === 'quarantined') {
      quarantined.keys.push(key);
      quarantined.pages.push(place.page);
    }
    state.contents.orphan(entry);
    state.contents.join({ entry, holder, batch: command.batch, position, declined: place.grant });
  }
  if (quarantined.keys.length > 0) state.trail({ action: 'quarantined', holder: holder.id, ...quarantined });
}
