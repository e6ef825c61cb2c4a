/** What may be seen of the store, besides its counts: for `inspect` and `explain`. Plain data, nothing in it is shared. */
import type { PageState } from '../../machines/page.js';
import type { Admission } from './admission.js';
import type { Contents } from './contents.js';
import type { HolderId } from './holder.js';
import type { PageTable } from './page-table.js';
import type { Quarantine } from './quarantine.js';
import type { Entry, Holder } from './records.js';

/** Who holds pages, and how many. */
export interface HolderView {
  readonly holder: HolderId;
  readonly state: Holder['state'];
  /** Keys it holds leases on. */
  readonly leases: number;
  /** Pages promised to it that it has not got yet. */
  readonly reserved: number;
  /** When its leases end; undefined while it is arriving. */
  readonly expiresAtMs: number | undefined;
}

/** Why a request is not admitted. */
export interface AdmissionView {
  /** New pages it needs. */
  readonly charge: number;
  /** Pages it could have now, without those that are promised to others. */
  readonly available: number;
  readonly total: number;
  /** Requests that are before it. */
  readonly before: number;
}

/** One key in the arena. */
export interface EntryView {
  readonly key: string;
  readonly length: number;
  /** `orphaned`: nobody writes it, and it is joined. */
  readonly state: 'writing' | 'ready' | 'retained' | 'orphaned';
  readonly page: number | undefined;
  readonly generation: number | undefined;
  /** Who writes it, or has written it. */
  readonly writer: HolderId | undefined;
  /** Who has a lease on it. */
  readonly holders: readonly HolderView[];
  readonly joiners: readonly HolderId[];
}

export interface PageView {
  readonly state: PageState;
  readonly generation: number;
  /** What is in it. */
  readonly entry: EntryView | undefined;
  /** Who may still write to it, by the holder's name, and since when it is quarantined. */
  readonly quarantine: { readonly writer: string; readonly grant: string; readonly sinceMs: number } | undefined;
}

const letters = { free: 'f', writing: 'w', ready: 'r', quarantined: 'q' } as const satisfies Record<PageState, string>;
const RETAINED = 'k';

export interface StoreParts {
  readonly pages: PageTable;
  readonly contents: Contents;
  readonly holders: ReadonlyMap<string, Holder>;
  readonly admission: Admission;
  readonly quarantine: Quarantine;
}

export class StoreView {
  readonly #parts: StoreParts;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** The state of every page by number, in runs: `f120w3r5`, with `k` for retained ones. As dear as the arena is large. */
  pageMap(): string {
    const { pages, contents } = this.#parts;
    const retained = new Set<number>();
    for (const { place } of contents.retainedEntries()) if (place !== null) retained.add(place.page);
    const runs: string[] = [];
    let letter = '';
    let length = 0;
    const end = () => {
      if (length > 0) runs.push(`${letter}${length}`);
    };
    for (let page = 0; page < pages.total; page += 1) {
      const next = retained.has(page) ? RETAINED : letters[pages.state(page)];
      if (next === letter) {
        length += 1;
        continue;
      }
      end();
      letter = next;
      length = 1;
    }
    end();
    return runs.join('');
  }

  /** Undefined when it does not wait for admission. */
  admission(name: string): AdmissionView | undefined {
    const { admission, contents, holders, pages } = this.#parts;
    const before = admission.names().indexOf(name);
    const holder = holders.get(name);
    if (before < 0 || holder === undefined) return undefined;
    const available = contents.available - admission.reserved;
    return { charge: holder.candidate.charge(), available, total: pages.total, before };
  }

  holder(name: string): HolderView | undefined {
    const holder = this.#parts.holders.get(name);
    return holder === undefined ? undefined : viewOf(holder);
  }

  /** Those that hold most, most first. */
  largestHolders(): HolderView[] {
    const views = [...this.#parts.holders.values()].map(viewOf);
    const size = ({ leases, reserved }: HolderView) => leases + reserved;
    return views.filter((view) => size(view) > 0).sort((a, b) => size(b) - size(a));
  }

  /** Who writes the chunks that this one has joined. Undefined for each that nobody writes. */
  writersFor(name: string): (HolderView | undefined)[] {
    const holder = this.#parts.holders.get(name);
    const writers = new Map<string, HolderView | undefined>();
    for (const { ready, place } of holder?.leases.values() ?? []) {
      if (ready || place?.writer === holder) continue;
      writers.set(place?.writer.name ?? '', place === null ? undefined : viewOf(place.writer));
    }
    return [...writers.values()];
  }

  entry(key: string): EntryView | undefined {
    const entry = this.#parts.contents.get(key);
    return entry === undefined ? undefined : this.#entryView(entry);
  }

  /** Undefined when there is no such page. As dear as the arena is full. */
  page(page: number): PageView | undefined {
    const { pages, contents, quarantine } = this.#parts;
    if (page >= pages.total) return undefined;
    let inside: Entry | undefined;
    for (const entry of contents.values()) {
      if (entry.place?.page === page) inside = entry;
    }
    return {
      state: pages.state(page),
      generation: pages.generation(page),
      entry: inside === undefined ? undefined : this.#entryView(inside),
      quarantine: quarantine.get(page),
    };
  }

  #entryView(entry: Entry): EntryView {
    const { key, length, ready, place, holders, joiners } = entry;
    const settled = this.#parts.contents.isRetained(entry) ? 'retained' : 'ready';
    return {
      key,
      length,
      state: ready ? settled : place === null ? 'orphaned' : 'writing',
      page: place?.page,
      generation: place?.generation,
      writer: place?.writer.id,
      holders: [...holders].map(viewOf),
      joiners: joiners.map(({ holder }) => holder.id),
    };
  }
}

function viewOf({ id, state, leases, reserved, expiresAtMs }: Holder): HolderView {
  const ends = state === 'arriving' ? undefined : expiresAtMs;
  return { holder: id, state, leases: leases.size, reserved, expiresAtMs: ends };
}
