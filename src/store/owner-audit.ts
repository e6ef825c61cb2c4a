/**
 * The audit of owners: no page has two, and every page is in the state that its owner needs. It goes through all pages and
 * keys a few at a time. Each page, and each key, is looked at in one step, so changes in between do no harm.
 */
import type { Entry } from './records.js';
import type { StoreState } from './state.js';

export class OwnerAudit {
  readonly #state: StoreState;
  #page = 0;
  #entries: Iterator<Entry> | undefined;
  /** Keys that the round still looks at: those that came during the round belong to the next one. */
  #entriesLeft = 0;

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** Looks at the next `max` pages or keys. Returns a sentence about the first broken invariant, or undefined. */
  step(max: number): string | undefined {
    return this.#entries === undefined ? this.#stepPages(max) : this.#stepEntries(this.#entries, max);
  }

  /** Looks at everything. The audit must be a new one. */
  whole(): string | undefined {
    const { pages, contents } = this.#state;
    return this.#stepPages(pages.total) ?? this.step(contents.size + 1) ?? pages.brokenInvariant();
  }

  #stepPages(max: number): string | undefined {
    const { pages, contents } = this.#state;
    const end = Math.min(this.#page + max, pages.total);
    for (; this.#page < end; this.#page += 1) {
      const broken = this.#checkPage(this.#page);
      if (broken !== undefined) return broken;
    }
    if (end === pages.total) {
      this.#page = 0;
      this.#entries = contents.values();
      this.#entriesLeft = contents.size;
    }
    return pages.recount(max);
  }

  #stepEntries(entries: Iterator<Entry>, max: number): string | undefined {
    for (let looked = 0; looked < max; looked += 1) {
      const { value: entry, done } = entries.next();
      if (done === true || this.#entriesLeft === 0) {
        this.#entries = undefined;
        return undefined;
      }
      this.#entriesLeft -= 1;
      const owned = entry.place === null ? entry : this.#state.contents.ownerOf(entry.place.page);
      if (owned !== entry) return `page ${entry.place?.page} belongs to key ${owned?.key} and to key ${entry.key}`;
    }
    return undefined;
  }

  #checkPage(page: number): string | undefined {
    const { pages, contents, quarantine } = this.#state;
    const state = pages.state(page);
    const owner = contents.ownerOf(page);
    if (quarantine.get(page) !== undefined) {
      if (owner !== undefined) return `page ${page} is in the quarantine and belongs to key ${owner.key}`;
      return state === 'quarantined' ? undefined : `page ${page} is in the quarantine, but its state is ${state}`;
    }
    if (owner === undefined) return state === 'free' ? undefined : `page ${page} is ${state} and has no owner`;
    const { key, place, ready } = owner;
    if (place?.page !== page || contents.get(key) !== owner) return `page ${page} does not belong to key ${key}`;
    const expected = ready ? 'ready' : 'writing';
    if (state !== expected) return `page ${page} of key ${key} is ${state}, not ${expected}`;
    const current = pages.generation(page);
    if (place.generation === current) return undefined;
    return `page ${page} of key ${key} is at generation ${current}, not ${place.generation}`;
  }
}
