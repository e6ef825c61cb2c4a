/**
 * The contents of the arena: entries by key, and the lists of retained and orphaned entries. A ready entry without a lease
 * is retained as cache, if that is configured, until its page is needed (least recently used first). Otherwise the entry is
 * removed and its page is free at once (S8).
 */
import { KvferryError } from '../protocol/errors.js';
import { Arrivals } from './arrivals.js';
import { Joiners } from './joiners.js';
import { Lessees } from './lessees.js';
import { Orphans } from './orphans.js';
import type { PageTable } from './page-table.js';
import type { Entry, Holder, Joiner, Place } from './records.js';
import type { Trail } from './trail.js';
import { Waiters } from './waiters.js';

export class Contents {
  readonly #pages: PageTable;
  readonly #retainedMax: number;
  readonly #trail: Trail;
  readonly #entries = new Map<string, Entry>();
  /** The entry that owns each page. */
  readonly #owners: (Entry | undefined)[];
  /** Ready entries without a lease, least recently used first. */
  readonly #retained = new Set<Entry>();
  readonly orphans = new Orphans();
  /** Requests that have no pages yet. */
  readonly waiters: Waiters;
  /** Requests that were admitted because others hold some of their keys, and that have no pages for all of them yet. */
  readonly heirs = new Set<Holder>();
  readonly arrivals = new Arrivals();

  /** `recharged` is called when the charge of a request that waits has changed. */
  constructor(pages: PageTable, retainedMax: number, trail: Trail, recharged: (holder: Holder) => void) {
    this.#pages = pages;
    this.#trail = trail;
    this.#retainedMax = retainedMax;
    this.waiters = new Waiters((key) => this.#isHeld(key), recharged);
    this.#owners = new Array<Entry | undefined>(pages.total).fill(undefined);
  }

  get size(): number {
    return this.#entries.size;
  }

  get retained(): number {
    return this.#retained.size;
  }

  /** The number of pages that can be given to a request: free pages and retained pages. */
  get available(): number {
    return this.#pages.freeCount + this.#retained.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The entry that owns the page; undefined while no entry does. */
  ownerOf(page: number): Entry | undefined {
    return this.#owners[page];
  }

  values(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** Ready entries without a lease, least recently used first. */
  retainedEntries(): ReadonlySet<Entry> {
    return this.#retained;
  }

  isRetained(entry: Entry): boolean {
    return this.#retained.has(entry);
  }

  /** Adds an entry for a key that is not in the arena. The caller makes sure that a page is available. */
  add(key: string, length: number, writer: Holder, grant: string): { entry: Entry; place: Place } {
    const place = this.#take(writer, grant);
    const holders = new Lessees<Holder>();
    const entry: Entry = { key, length, place, ready: false, holders, joiners: undefined, left: undefined };
    this.#owners[place.page] = entry;
    this.#entries.set(key, entry);
    this.waiters.changed(key);
    return { entry, place };
  }

  /** The joiner becomes the writer, on a new page. The caller makes sure that a page is available. */
  adopt(heir: Joiner, grant: string): Place {
    const { entry, holder } = heir;
    const place = this.#take(holder, grant);
    entry.place = place;
    this.#owners[place.page] = entry;
    entry.joiners?.delete(heir);
    this.orphans.delete(entry);
    return place;
  }

  /** The entry has lost its writer and its page. It stays in the arena while a holder leases it. */
  orphan(entry: Entry): void {
    if (entry.place !== null) this.#owners[entry.place.page] = undefined;
    entry.place = null;
    if (entry.holders.size > 0 || this.#inherit(entry)) this.orphans.add(entry);
    else this.#remove(entry);
  }

  lease(holder: Holder, entry: Entry): void {
    holder.leases.set(entry.key, entry);
    entry.holders.add(holder);
    this.revive(entry.key);
  }

  /** A holder is about to lease this key: it is not retained any more. */
  revive(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && this.#retained.delete(entry)) this.waiters.changed(key);
  }

  /** The joiner waits for the bytes that another request writes. */
  join(joiner: Joiner): void {
    const { entry } = joiner;
    entry.joiners ??= new Joiners();
    entry.joiners.add(joiner);
    this.orphans.joined(entry);
  }

  /** The bytes of the entry are here. Requests that have joined it are notified one after the other. */
  arrived(entry: Entry): void {
    entry.ready = true;
    if (entry.joiners !== undefined) this.arrivals.add(entry.joiners);
    entry.joiners = undefined;
  }

  unlease(holder: Holder, entry: Entry): void {
    holder.leases.delete(entry.key);
    entry.holders.delete(holder);
    const joiner = entry.joiners?.get(holder);
    if (joiner !== undefined) {
      entry.joiners?.delete(joiner);
      this.orphans.left(joiner);
    }
    if (entry.holders.size > 0 || this.#inherit(entry)) return;
    if (entry.ready) this.#retain(entry);
    else if (entry.place === null) this.#remove(entry);
  }

  #take(writer: Holder, grant: string): Place {
    if (this.#pages.freeCount === 0) this.#evict();
    const { page, generation } = this.#pages.allocate();
    return { page, generation, writer, grant };
  }

  #retain(entry: Entry): void {
    this.#retained.add(entry);
    this.waiters.changed(entry.key);
    if (this.#retained.size > this.#retainedMax) this.#evict();
  }

  /** Frees the page of the least recently used retained entry. */
  #evict(): void {
    for (const entry of this.#retained) {
      this.#retained.delete(entry);
      this.#entries.delete(entry.key);
      const page = entry.place?.page ?? -1;
      this.#owners[page] = undefined;
      this.#pages.free(page, 'page.released');
      // Without a cache, the page is only released, and the trail has that already.
      if (this.#retainedMax > 0) this.#trail({ action: 'evicted', keys: [entry.key], pages: [page] });
      return;
    }
    throw new KvferryError('internal', 'a page was promised, but none is available');
  }

  #remove(entry: Entry): void {
    this.orphans.delete(entry);
    this.#entries.delete(entry.key);
    this.waiters.changed(entry.key);
  }

  #isHeld(key: string): boolean {
    const entry = this.#entries.get(key);
    return entry !== undefined && !this.#retained.has(entry);
  }

  /** A request that was admitted because this entry is held takes the lease over. False when there is none. */
  #inherit(entry: Entry): boolean {
    for (const heir of this.heirs) {
      if (!heir.waitingKeys.has(entry.key)) continue;
      this.lease(heir, entry);
      return true;
    }
    return false;
  }
}
