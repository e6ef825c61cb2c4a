/** The shipped store with contents, and batches that pass through it. */
import { Store } from '../../src/store/store.js';
import { freshKeys } from '../harness/keys.js';

const GRANT = 'memory-1';
const EPOCH = '0000000000000001';
const KEYS_PER_REQUEST = 256;
const UNLIMITED = Number.MAX_SAFE_INTEGER;

export interface Filling {
  readonly pages: number;
  /** Keys that are ready and leased, in requests of 256. */
  readonly trackedKeys: number;
  /** Requests in progress. Each has the first of its two batches, with one key. */
  readonly liveRequests: number;
}

export class FilledStore {
  readonly #store: Store;
  #requests = 0;

  constructor({ pages, trackedKeys, liveRequests }: Filling) {
    this.#store = new Store({
      pages,
      pageBytes: 1,
      leaseMs: UNLIMITED,
      retainedMax: 0,
      tombstonesMax: 1000,
      tombstoneMs: UNLIMITED,
      holdersMax: UNLIMITED,
    });
    this.#store.execute({ type: 'grant', grant: GRANT, epoch: EPOCH }, 0);
    for (let left = trackedKeys; left > 0; left -= KEYS_PER_REQUEST) {
      this.#arrive(receivedKeys(Math.min(left, KEYS_PER_REQUEST)));
    }
    for (let live = 0; live < liveRequests; live += 1) this.#begin(receivedKeys(1), 2);
  }

  /** Runs one request of one batch, from its allocation to the release of its pages. */
  batch(keys: readonly string[]): void {
    const holder = this.#arrive(keys);
    this.#store.execute({ type: 'release', holder, keys: undefined }, 0);
  }

  #arrive(keys: readonly string[]) {
    const { holder, allocation } = this.#begin(keys, keys.length);
    const { pages, generations } = allocation;
    const lengths = pages.map(() => 1);
    this.#store.execute({ type: 'commit', holder, batch: 0, part: 0, pages, generations, lengths }, 0);
    this.#store.execute({ type: 'end', holder, end: 'ready', reason: undefined }, 0);
    return holder;
  }

  #begin(keys: readonly string[], totalChunks: number) {
    this.#requests += 1;
    const holder = { request: `bench-${this.#requests}`, epoch: EPOCH };
    const batch = { batch: 0, last: keys.length === totalChunks, totalChunks, keys, lengths: keys.map(() => 1) };
    const { effects } = this.#store.execute({ type: 'allocate', holder, grant: GRANT, ...batch }, 0);
    const allocated = effects.find((effect) => effect.type === 'allocated');
    if (allocated?.type !== 'allocated') throw new RangeError(`an arena for ${keys.length} keys more is too small`);
    return { holder, allocation: allocated.allocation };
  }
}

/** Keys as they come out of a message: no other object refers to them. */
export function receivedKeys(count: number): string[] {
  return JSON.parse(JSON.stringify(freshKeys(count))) as string[];
}
