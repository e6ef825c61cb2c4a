/** How a sender checks what a receiver allocates, before it writes. All numbers of a reply are unchecked until then. */
import type { Allocation } from '../src/protocol/allocation.js';

export const emptyAllocation: Allocation = { pages: [], generations: [], alreadySent: [], joined: [] };

/** One chunk to write: its position in the batch and the page that takes it. */
export interface Placement {
  readonly position: number;
  readonly page: number;
  readonly generation: number;
}

/** Chunks that are written and committed together. The receiver allocated part 0 and handed over every other part. */
export interface TransferPart {
  readonly part: number;
  readonly placements: readonly Placement[];
}

/** What a transfer knows when its allocation arrives. */
interface AllocationState {
  readonly chunkCount: number;
  readonly arenaPages: number;
  readonly held: readonly number[];
}

/**
 * The field that makes an allocation unusable, or undefined. A list never pairs with a list that does not fit it (S6). A transfer
 * writes only chunks whose source it still holds: a reply that is repeated cannot ask for others.
 */
export function unsoundField(
  allocation: Allocation,
  { chunkCount, arenaPages, held }: AllocationState,
): string | undefined {
  const { pages, generations, alreadySent, joined } = allocation;
  const isPosition = (value: number) => isIndex(value, chunkCount);
  if (!alreadySent.every(isPosition) || hasRepeats(alreadySent)) return 'alreadySent';
  if (pages.length + alreadySent.length !== chunkCount) return 'pages';
  const isGeneration = (value: number) => isIndex(value, Number.POSITIVE_INFINITY);
  if (generations.length !== pages.length || !generations.every(isGeneration)) return 'generations';
  if (!arePages(pages, arenaPages)) return 'pages';
  const sent = new Set(alreadySent);
  if (!joined.every((position) => sent.has(position)) || hasRepeats(joined)) return 'joined';
  if (held.length === chunkCount) return undefined;
  const isHeld = new Set(held);
  return placementsOf(allocation, chunkCount).every(({ position }) => isHeld.has(position)) ? undefined : 'pages';
}

/** What a transfer knows when a hand-over arrives. */
interface HandOverState {
  readonly joined: readonly number[];
  readonly held: readonly number[];
  readonly arenaPages: number;
}

/** The field that makes a hand-over unusable, or undefined. A transfer takes over only chunks that it joined and still holds. */
export function unsoundHandOver({ placements }: TransferPart, state: HandOverState): string | undefined {
  const positions = placements.map((placement) => placement.position);
  const isOurs = (position: number) => state.joined.includes(position) && state.held.includes(position);
  if (!positions.every(isOurs) || hasRepeats(positions)) return 'positions';
  const pages = placements.map((placement) => placement.page);
  return arePages(pages, state.arenaPages) ? undefined : 'pages';
}

/** Drops the deduplicated positions and pairs each remaining one, in order, with its page (S4). */
export function placementsOf(allocation: Allocation, chunkCount: number): Placement[] {
  const deduplicated = new Set(allocation.alreadySent);
  const placements: Placement[] = [];
  for (let position = 0; position < chunkCount; position += 1) {
    if (deduplicated.has(position)) continue;
    const index = placements.length;
    const page = allocation.pages[index] as number;
    placements.push({ position, page, generation: allocation.generations[index] as number });
  }
  return placements;
}

function isIndex(value: number, end: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < end;
}

function arePages(pages: readonly number[], arenaPages: number): boolean {
  return pages.every((page) => isIndex(page, arenaPages)) && !hasRepeats(pages);
}

function hasRepeats(values: readonly number[]): boolean {
  return new Set(values).size !== values.length;
}
