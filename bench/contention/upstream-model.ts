/**
 * The rules by which LMCache's asynchronous prefill/decode backend allocates, deduplicates and frees pages, in as little
 * code as possible:
 *
 * - A key that has a page counts as sent, whether or not its bytes are there. References are counted for each key.
 * - Admission charges every chunk of a request, including those that are already there. It gives the charge back before the
 *   pages are taken. It has no order.
 * - The look-up comes before the wait for memory. If another request has put the key meanwhile, the key keeps its page. The
 *   late page is freed, but its index is in the answer, and the sender writes to it.
 * - A receiver serves one call of a sender at a time. A call waits for memory without limit, and a cancel waits behind it.
 * - A cancel drops the references at once, even during the write.
 * - The sender notifies the router when its own writes are done. The router receives no failures.
 *
 * The model is generous. Calls of different senders do not wait for each other. No message is lost, and no process dies. A
 * receiver never rolls back what a cancel also drops. A request that was given up sends no more calls.
 */
import { Random } from '../../src/figures/random.js';
import type { ArenaContents, PlacedKey } from './arena-contents.js';
import { MESSAGE_MS, type Outcome, type System } from './system.js';
import type { Timeline } from './timeline.js';
import type { WorkloadRequest } from './workload.js';

interface Entry {
  readonly page: number;
  references: number;
}

interface Sending {
  readonly request: WorkloadRequest;
  readonly outcome: Outcome;
  /** Keys that a cancel will name. */
  readonly tracked: string[];
  /** Steps of prefill that are done. The sender requests pages for one batch after the other. */
  batchesPut: number;
  batchesPlaced: number;
  batchesWritten: number;
  aborted: boolean;
}

/** A call to a receiver. Calls of one sender run one after the other; `done` starts the next. */
type Call = (done: () => void) => void;

const SEED = 1;

export class UpstreamModel implements System {
  readonly #timeline: Timeline;
  readonly #contents: ArenaContents;
  readonly #entries = new Map<string, Entry>();
  readonly #free: number[];
  readonly #sending = new Map<string, Sending>();
  readonly #calls = new Map<number, Call[]>();
  readonly #random = new Random(SEED);
  /** Attempts of the requests that wait for memory. Each returns whether it got its pages. */
  #waiting: (() => boolean)[] = [];
  #charged = 0;

  constructor(pages: number, timeline: Timeline, contents: ArenaContents) {
    this.#timeline = timeline;
    this.#contents = contents;
    this.#free = Array.from({ length: pages }, (_, page) => page);
  }

  get freePages(): number {
    return this.#free.length;
  }

  put(request: WorkloadRequest, batch: number, outcome: Outcome): void {
    const known = this.#sending.get(request.name);
    if (known !== undefined) {
      known.batchesPut += 1;
      if (known.batchesPlaced === batch) this.#sendBatch(known, batch, 0);
      return;
    }
    const sending: Sending = {
      request,
      outcome,
      tracked: [],
      batchesPut: 1,
      batchesPlaced: 0,
      batchesWritten: 0,
      aborted: false,
    };
    this.#sending.set(request.name, sending);
    const chunks = request.batches.flat().length;
    this.#whenPossible(() => {
      if (sending.aborted) return true;
      if (this.#free.length - this.#charged < chunks) return false;
      this.#charged += chunks;
      this.#sendBatch(sending, 0, chunks);
      return true;
    });
  }

  abort(request: WorkloadRequest): void {
    const sending = this.#sending.get(request.name);
    if (sending === undefined || sending.aborted) return;
    sending.aborted = true;
    this.#call(request.sender, (done) => {
      this.#drop(sending.tracked.splice(0));
      done();
    });
  }

  release(request: WorkloadRequest): void {
    const sending = this.#sending.get(request.name);
    if (sending !== undefined) this.#drop(sending.tracked.splice(0));
  }

  #sendBatch(sending: Sending, batch: number, charge: number): void {
    const { request } = sending;
    this.#call(request.sender, (done) => {
      this.#charged -= charge;
      if (sending.aborted) {
        done();
        return;
      }
      this.#allocate(request.batches[batch] ?? [], sending, (places) => {
        done();
        this.#timeline.after(MESSAGE_MS, () => {
          this.#write(sending, places);
          sending.batchesPlaced += 1;
          if (sending.batchesPut > sending.batchesPlaced) this.#sendBatch(sending, sending.batchesPlaced, 0);
        });
      });
    });
  }

  #allocate(keys: readonly string[], sending: Sending, answer: (places: readonly PlacedKey[]) => void): void {
    const missing = keys.filter((key) => {
      const entry = this.#entries.get(key);
      if (entry === undefined) return true;
      entry.references += 1;
      sending.tracked.push(key);
      return false;
    });
    this.#whenPossible(() => {
      if (this.#free.length < missing.length) return false;
      const places = missing.map((key) => ({ key, page: this.#free.shift() as number }));
      for (const { key, page } of places) {
        const other = this.#entries.get(key);
        if (other === undefined) this.#entries.set(key, { page, references: 1 });
        else {
          other.references += 1;
          this.#free.push(page);
        }
        sending.tracked.push(key);
      }
      answer(places);
      return true;
    });
  }

  #write(sending: Sending, places: readonly PlacedKey[]): void {
    const { request, outcome } = sending;
    if (sending.aborted) return;
    this.#contents.write(places, () => {
      sending.batchesWritten += 1;
      if (sending.aborted || sending.batchesWritten < request.batches.length) return;
      const found = request.batches.flat().map((key) => {
        const entry = this.#entries.get(key);
        return entry === undefined ? undefined : { key, page: entry.page };
      });
      this.#timeline.after(MESSAGE_MS, () => outcome.ready(found));
    });
  }

  #drop(keys: readonly string[]): void {
    const before = this.#free.length;
    for (const key of keys) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      entry.references -= 1;
      if (entry.references > 0) continue;
      this.#entries.delete(key);
      this.#free.push(entry.page);
    }
    if (this.#free.length > before) this.#wake();
  }

  /** Runs the attempt now, or at a later wake-up. Waiting requests have no order. */
  #whenPossible(attempt: () => boolean): void {
    if (!attempt()) this.#waiting.push(attempt);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    while (waiting.length > 0) {
      const [attempt] = waiting.splice(this.#random.integer(0, waiting.length - 1), 1);
      if (attempt !== undefined) this.#whenPossible(attempt);
    }
  }

  #call(sender: number, call: Call): void {
    this.#timeline.after(MESSAGE_MS, () => {
      const calls = this.#calls.get(sender) ?? [];
      this.#calls.set(sender, calls);
      calls.push(call);
      if (calls.length === 1) this.#serve(calls);
    });
  }

  #serve(calls: Call[]): void {
    calls[0]?.(() => {
      calls.shift();
      this.#timeline.after(0, () => this.#serve(calls));
    });
  }
}
