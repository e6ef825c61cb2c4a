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

/** Generations are 32 bits wide. 0 means that the page was never used. */
const GENERATION_MAX = 2 ** 32 - 1;

/** The only place where generations wrap. Handles of one page are equal only after 2^32 - 1 uses of it. */
function generationAfter(generation: number): number {
  return generation === GENERATION_MAX ? 1 : generation + 1;
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
  /** The recount of `recount`: how many pages were looked at, and how many of them are in each state now. */
  #recounted = 0;
  #recount: Record<PageState, number> = noPages();

  /** `generation`: that of every page before its first use. */
  constructor(total: number, generation = 0) {
    this.total = total;
    this.#states = new Uint8Array(total);
    this.#generations = new Uint32Array(total).fill(generation);
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
    const generation = generationAfter(this.generation(page));
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

  /** Pages that follow each other in the same state, as one run. Marked pages count as `marked`, whatever their state. */
  runs(marks: Uint8Array): { readonly state: PageState | 'marked'; readonly pages: number }[] {
    const runs: { state: PageState | 'marked'; pages: number }[] = [];
    const states = this.#states;
    for (let first = 0, next = 0; first < this.total; first = next) {
      const state = states[first];
      const mark = marks[first];
      while (next < this.total && marks[next] === mark && (mark === 1 || states[next] === state)) next += 1;
      runs.push({ state: mark === 1 ? 'marked' : this.state(first), pages: next - first });
    }
    return runs;
  }

  describe(): { pages: PageDescription[]; free: number[] } {
    const pages = Array.from({ length: this.total }, (_, page) => ({
      state: this.state(page),
      generation: this.generation(page),
    }));
    return { pages, free: [...this.#free] };
  }

  /**
   * Looks at the next `max` pages, and at as many of the free list. Returns the first difference, or undefined. One call after
   * another counts all pages again, whatever happens in between.
   */
  recount(max: number): string | undefined {
    const first = this.#recounted;
    this.#recounted = Math.min(first + max, this.total);
    for (let page = first; page < this.#recounted; page += 1) this.#recount[this.state(page)] += 1;
    const onList = this.#free.slice(first, this.#recounted);
    if (onList.some((page) => this.state(page) !== 'free')) return 'a page on the free list is not free';
    if (this.#recounted < this.total) return undefined;
    const wrong = pageStates.find((state) => this.#recount[state] !== this.#counts[state]);
    const counted = wrong === undefined ? 0 : this.#recount[wrong];
    this.#recounted = 0;
    this.#recount = noPages();
    if (wrong === undefined) return undefined;
    return `${counted} pages are ${wrong}, but the count says ${this.#counts[wrong]}`;
  }

  /** Whether a recount is under way: the next call of `recount` goes on with it. */
  get isRecounting(): boolean {
    return this.#recounted > 0;
  }

  /** Counts everything again. Returns the first difference, or undefined. */
  brokenInvariant(): string | undefined {
    while (this.isRecounting) this.recount(this.total);
    const wrong = this.recount(this.total);
    if (wrong !== undefined) return wrong;
    if (new Set(this.#free).size !== this.#free.length) return 'a page is on the free list twice';
    if (this.#free.length === this.#counts.free) return undefined;
    return `${this.#counts.free} pages are free, but ${this.#free.length} are on the free list`;
  }

  #step(page: number, event: PageEvent): void {
    const from = this.#states[page] ?? -1;
    const to = nextCode(from, event);
    if (to < 0)
      throw new KvferryError('internal', `page ${page} is ${this.state(page)}: it cannot take the step ${event}`);
    count(this.#counts, from, to);
    if (page < this.#recounted) count(this.#recount, from, to);
    this.#states[page] = to;
  }
}

function noPages(): Record<PageState, number> {
  return { free: 0, writing: 0, ready: 0, quarantined: 0 };
}

/** A page has left one state for another. The states are codes. */
function count(counts: Record<PageState, number>, from: number, to: number): void {
  counts[pageStates[from] as PageState] -= 1;
  counts[pageStates[to] as PageState] += 1;
}
