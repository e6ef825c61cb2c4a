/** Writes of random items to a range of an arena of their own, and what a plain loop says of the bytes that land. */
import type { FabricConnection, FabricWrite, WriteItem, WriteOutcome } from '../../../src/ports/fabric.js';
import type { Chance } from './chance.js';

const GAP_MAX = 200;
const ITEMS_MAX = 24;
const LARGE = 2 ** 20;

export interface Source {
  readonly name: string;
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A range of the arena, and what it should hold. */
export class Slot {
  /** The last bytes that are known to be there. */
  readonly held: Uint8Array;
  #items: readonly WriteItem[] = [];
  #wanted: Uint8Array;
  #written: Uint8Array;

  constructor(
    readonly offset: number,
    readonly bytes: number,
  ) {
    this.held = new Uint8Array(bytes);
    this.#wanted = this.held;
    this.#written = this.held;
  }

  /** Items that lie one behind the other, with gaps. */
  plan(chance: Chance, sources: readonly Source[]): readonly WriteItem[] {
    const items: WriteItem[] = [];
    this.#wanted = this.held.slice();
    this.#written = new Uint8Array(this.bytes);
    let at = 0;
    for (let left = chance.integer(1, ITEMS_MAX); left > 0; left -= 1) {
      const previous = items.at(-1);
      const isBehind = previous !== undefined && chance.chance(0.3);
      const source = isBehind ? sources.find(({ name }) => name === previous.segment) : chance.pick(sources);
      const item = source && randomItem(chance, source, this.bytes - at, isBehind ? endOf(previous) : undefined);
      if (source === undefined || item === undefined) break;
      items.push({ ...item, targetOffset: this.offset + at });
      this.#wanted.set(gathered(source.bytes, item), at);
      this.#written.fill(1, at, at + item.length);
      at += item.length + (chance.chance(0.5) ? 0 : chance.integer(1, GAP_MAX));
    }
    this.#items = items;
    return items;
  }

  get length(): number {
    return this.#items.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * The first byte that is not what it may be: what was written when the write was delivered; otherwise also what was there, and
   * with `zeros` zero, which a source gives that shrank.
   */
  wrongByte(arena: Uint8Array, outcome: WriteOutcome, zeros: boolean): number | undefined {
    const now = arena.subarray(this.offset, this.offset + this.bytes);
    if (Buffer.compare(now, this.#wanted) === 0) return undefined;
    const isAllowed = (index: number) => now[index] === this.held[index] || (zeros && now[index] === 0);
    const wrong = now.findIndex(
      (byte, index) =>
        byte !== this.#wanted[index] &&
        (outcome.status === 'delivered' || this.#written[index] === 0 || !isAllowed(index)),
    );
    return wrong < 0 ? undefined : this.offset + wrong;
  }

  /** Takes what is there as known. */
  settle(arena: Uint8Array): void {
    this.held.set(arena.subarray(this.offset, this.offset + this.bytes));
  }

  write(connection: FabricConnection): FabricWrite {
    return connection.write(this.#items);
  }
}

/** Behind the last piece. */
function endOf({ sourceOffset, length, pieces }: WriteItem): number {
  return pieces === undefined
    ? sourceOffset + length
    : sourceOffset + (pieces.count - 1) * pieces.stride + length / pieces.count;
}

/** `from`: where it begins in its source. Most are short, some are larger than a slice. Nothing when there is no room. */
function randomItem(chance: Chance, source: Source, room: number, from?: number): WriteItem | undefined {
  const sourceOffset = from ?? chance.integer(0, source.bytes.length - 1);
  const behind = source.bytes.length - sourceOffset;
  const piece = Math.min(Math.floor(LARGE ** chance.next()), behind, room);
  if (piece < 1) return undefined;
  const stride = piece + (chance.chance(0.3) ? 0 : Math.floor((2 * piece + GAP_MAX) * chance.next()));
  const most = Math.min(Math.floor((behind - piece) / stride) + 1, Math.floor(room / piece));
  const count = chance.chance(0.3) ? 1 : chance.integer(1, Math.min(most, 3000));
  const whole = { segment: source.name, sourceOffset, targetOffset: 0, length: piece * count };
  return count === 1 ? whole : { ...whole, pieces: { count, stride } };
}

function gathered(source: Uint8Array, { sourceOffset, length, pieces }: WriteItem): Uint8Array {
  const { count, stride } = pieces ?? { count: 1, stride: length };
  const piece = length / count;
  const bytes = new Uint8Array(length);
  for (let index = 0; index < count; index += 1) {
    const from = sourceOffset + index * stride;
    bytes.set(source.subarray(from, from + piece), index * piece);
  }
  return bytes;
}
