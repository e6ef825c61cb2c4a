/** Questions that `inspect` and `explain` ask the store. The answers are plain data that share nothing with the store. */
import type { PageState } from '../../machines/page.js';
import { NO_TURN } from './admission.js';
import type { HolderId } from './holder.js';
import type { Entry, Holder } from './records.js';
import type { StoreState } from './state.js';

/** A holder, and how much it holds. */
export interface HolderView {
  readonly holder: HolderId;
  readonly state: Holder['state'];
  /** The number of keys that the holder leases. */
  readonly leases: number;
  /** Pages promised to the request that none of its batches has asked for yet. */
  readonly reserved: number;
  /** When the leases end; undefined while the request is arriving. */
  readonly expiresAtMs: number | undefined;
}

/** Why a request waits for admission. */
export interface AdmissionView {
  /** New pages that the request needs. */
  readonly charge: number;
  /** Available pages that are not promised to other requests. */
  readonly available: number;
  readonly total: number;
  /** The number of requests that wait before this one. */
  readonly before: number;
}

/** One key in the arena. */
export interface EntryView {
  readonly key: string;
  readonly length: number;
  /** `orphaned`: the entry has joiners and no writer. */
  readonly state: 'writing' | 'ready' | 'retained' | 'orphaned';
  readonly page: number | undefined;
  readonly generation: number | undefined;
  /** The request that writes the entry, or has written it. */
  readonly writer: HolderId | undefined;
  /** The holders that lease the entry. */
  readonly holders: readonly HolderView[];
  readonly joiners: readonly HolderId[];
}

export interface PageView {
  readonly state: PageState;
  readonly generation: number;
  /** The entry that owns the page. */
  readonly entry: EntryView | undefined;
  /** For a quarantined page: the name of the request that may still write to it. */
  readonly quarantine: { readonly writer: string; readonly grant: string; readonly sinceMs: number } | undefined;
}

const letters = { free: 'f', writing: 'w', ready: 'r', quarantined: 'q' } as const satisfies Record<PageState, string>;
const RETAINED = 'k';

export class StoreView {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  /**
   * The state of every page by number, in runs: `f120w3r5`. `k` stands for retained pages. Takes time in proportion to the
   * size of the arena.
   */
  pageMap(): string {
    const { pages, contents } = this.#state;
    const isRetained = new Uint8Array(pages.total);
    for (const { place } of contents.retainedEntries()) if (place !== null) isRetained[place.page] = 1;
    const runs = pages.runs(isRetained);
    return runs.map(({ state, pages: count }) => `${state === 'marked' ? RETAINED : letters[state]}${count}`).join('');
  }

  /** Undefined when the request does not wait for admission. */
  admission(name: string): AdmissionView | undefined {
    const { admission, contents, holders, pages } = this.#state;
    const holder = holders.get(name);
    if (holder === undefined || holder.turn === NO_TURN) return undefined;
    const before = admission.before(holder);
    const available = contents.available - admission.reserved;
    return { charge: this.#state.charge(holder), available, total: pages.total, before };
  }

  /** How many of the first keys are ready, and how many are ready or have a writer. */
  prefix(keys: readonly string[]): { readonly held: number; readonly expected: number } {
    const { contents } = this.#state;
    const entries = keys.map((key) => contents.get(key));
    const lengthOf = (isThere: (entry: Entry) => boolean) => {
      const end = entries.findIndex((entry) => entry === undefined || !isThere(entry));
      return end < 0 ? entries.length : end;
    };
    return { held: lengthOf(({ ready }) => ready), expected: lengthOf(({ ready, place }) => ready || place !== null) };
  }

  /** What became of a batch of an arriving request. */
  batch(name: string, batch: number): 'unknown' | 'queued' | 'allocated' {
    const known = this.#state.holders.get(name)?.batches.get(batch);
    if (known === undefined) return 'unknown';
    return known.allocation === null ? 'queued' : 'allocated';
  }

  /** What the holders of the requests that are meant count for. Takes time in proportion to the number of holders. */
  occupiedBy(isMeant: (request: string) => boolean): { readonly chunks: number; readonly readers: number } {
    return this.#state.occupancy.of(isMeant);
  }

  /** How much more a holder would count for, if it acquired these keys. */
  moreFor(name: string, keys: readonly string[]): number {
    const { contents, holders } = this.#state;
    const { leases, totalChunks } = holders.get(name) ?? { leases: new Map<string, Entry>(), totalChunks: 0 };
    const found = keys.filter((key) => !leases.has(key) && contents.get(key)?.ready === true);
    const charge = (leased: number) => Math.max(totalChunks, leased);
    return charge(leases.size + found.length) - charge(leases.size);
  }

  holder(name: string): HolderView | undefined {
    const holder = this.#state.holders.get(name);
    return holder === undefined ? undefined : viewOf(holder);
  }

  /** Holders of pages but that one, the largest `max` of them first, and how many there are. */
  largestHolders(max: number, except: string): { readonly largest: HolderView[]; readonly total: number } {
    const largest: Holder[] = [];
    let total = 0;
    for (const holder of this.#state.holders.values()) {
      const size = sizeOf(holder);
      if (size === 0 || holder.name === except) continue;
      total += 1;
      if (largest.length === max && size <= sizeOf(largest[max - 1] as Holder)) continue;
      const smaller = largest.findIndex((other) => sizeOf(other) < size);
      largest.splice(smaller < 0 ? largest.length : smaller, 0, holder);
      if (largest.length > max) largest.pop();
    }
    return { largest: largest.map(viewOf), total };
  }

  /** The writers of the chunks that this request has joined; one undefined stands for all chunks without a writer. */
  writersFor(name: string): (HolderView | undefined)[] {
    const holder = this.#state.holders.get(name);
    const writers = new Map<string, HolderView | undefined>();
    for (const { ready, place } of holder?.leases.values() ?? []) {
      if (ready || place?.writer === holder) continue;
      writers.set(place?.writer.name ?? '', place === null ? undefined : viewOf(place.writer));
    }
    return [...writers.values()];
  }

  entry(key: string): EntryView | undefined {
    const entry = this.#state.contents.get(key);
    return entry === undefined ? undefined : this.#entryView(entry);
  }

  /** Undefined when there is no such page. */
  page(page: number): PageView | undefined {
    const { pages, contents, quarantine } = this.#state;
    if (page >= pages.total) return undefined;
    const inside = contents.ownerOf(page);
    return {
      state: pages.state(page),
      generation: pages.generation(page),
      entry: inside === undefined ? undefined : this.#entryView(inside),
      quarantine: quarantine.get(page),
    };
  }

  #entryView(entry: Entry): EntryView {
    const { key, length, ready, place, holders, joiners } = entry;
    const settled = this.#state.contents.isRetained(entry) ? 'retained' : 'ready';
    return {
      key,
      length,
      state: ready ? settled : place === null ? 'orphaned' : 'writing',
      page: place?.page,
      generation: place?.generation,
      writer: place?.writer.id,
      holders: [...holders].map(viewOf),
      joiners: [...(joiners ?? [])].map(({ holder }) => holder.id),
    };
  }
}

/** Pages that the holder has or will have. */
function sizeOf({ leases, reserved }: Holder): number {
  return leases.size + reserved;
}

function viewOf({ id, state, leases, reserved, expiresAtMs }: Holder): HolderView {
  const ends = state === 'arriving' ? undefined : expiresAtMs;
  return { holder: id, state, leases: leases.size, reserved, expiresAtMs: ends };
}
