/**
 * The pages of the arena: the state and the generation of each. The table knows nothing of keys or requests. Every step of
 * a page is looked up in `machines/page.ts`; a step that the machine forbids throws.
 */
import { nextPageState, type PageEvent, type PageState, pageStates } from '../../machines/page.js';
import { KvferryError } from '../protocol/errors.js';

const codeOf = new Map(pageStates.map((state, code) => [state, code]));

/** The next code by (state code, event); -1 where the machine forbids the event. */
const transitions = new Map<PageEvent, Int8Array>();
function nextCode(code: number, event: PageEvent): number {
  let row = transitions.get(event);
  if (row === undefined) {
    row = Int8Array.from(pageStates, (state) => {
      const next = nextPageState(state, event);
      return next === undefined ? -1 : (codeOf.get(next) ?? -1);
    });
    transitions.set(event, row);
  }
  return row[code] ?? -1;
}

export interface PageDescription {
  readonly state: PageState;
  readonly generation: number;
}

export class PageTable {
  readonly total: number;
  readonly #states: Uint8Array;
  readonly #generations: Uint32Array;
  /** A stack of free pages: the page that was freed last may still be in the processor's caches. */
  readonly #free: number[];
  readonly #counts: Record<PageState, number>;

  constructor(total: number) {
    this.total = total;
    this.#states = new Uint8Array(total);
    this.#generations = new Uint32Array(total);
    this.#free = Array.from({ length: total }, (_, index) => total - 1 - index);
    this.#counts = { free: total, writing: 0, ready: 0, quarantined: 0 };
  }

  get freeCount(): number {
    return this.#free.length;
  }

  count(state: PageState): number {
    return this.#counts[state];
  }

  /** The page's state; throws when there is no such page. */
  state(page: number): PageState {
    const state = pageStates[this.#states[page] ?? -1];
    if (state === undefined) throw new KvferryError('internal', `there is no page ${page}`);
    return state;
  }

  generation(page: number): number {
    return this.#generations[page] ?? 0;
  }

  /** Takes a free page for writing and gives it a new generation. The caller makes sure that a page is free. */
  allocate(): { page: number; generation: number } {
    const page = this.#free.pop();
    if (page === undefined) throw new KvferryError('internal', 'no page is free to allocate');
    const generation = this.generation(page) + 1;
    this.#generations[page] = generation;
    this.#step(page, 'page.allocated');
    return { page, generation };
  }

  commit(page: number): void {
    this.#step(page, 'page.committed');
  }

  quarantine(page: number): void {
    this.#step(page, 'page.quarantined');
  }

  /** Gives a page back. */
  free(page: number, event: 'page.abandoned' | 'page.drained' | 'page.fenced' | 'page.released'): void {
    this.#step(page, event);
    this.#free.push(page);
  }

  describe(): { pages: PageDescription[]; free: number[] } {
    const pages = Array.from({ length: this.total }, (_, page) => ({
      state: this.state(page),
      generation: this.generation(page),
    }));
    return { pages, free: [...this.#free] };
  }

  /** Counts everything again. Returns the first difference, or undefined. */
  brokenInvariant(): string | undefined {
    const counts: Record<PageState, number> = { free: 0, writing: 0, ready: 0, quarantined: 0 };
    for (let page = 0; page < this.total; page += 1) counts[this.state(page)] += 1;
    for (const state of pageStates) {
      if (counts[state] !== this.#counts[state]) {
        return `${counts[state]} pages are ${state}, but the count says ${this.#counts[state]}`;
      }
    }
    if (new Set(this.#free).size !== this.#free.length) return 'a page is on the free list twice';
    if (this.#free.length !== counts.free) {
      return `${counts.free} pages are free, but ${this.#free.length} are on the free list`;
    }
    if (this.#free.some((page) => this.state(page) !== 'free')) return 'a page on the free list is not free';
    return undefined;
  }

  #step(page: number, event: PageEvent): void {
    const from = this.#states[page] ?? -1;
    const to = nextCode(from, event);
    if (to < 0)
      throw new KvferryError('internal', `page ${page} is ${this.state(page)}: it cannot take the step ${event}`);
    this.#counts[pageStates[from] as PageState] -= 1;
    this.#counts[pageStates[to] as PageState] += 1;
    this.#states[page] = to;
  }
}
