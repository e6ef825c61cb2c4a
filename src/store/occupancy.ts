/** How many chunks and readers there are, and when there are too many (P28). Readers must leave room for requests. */
import { KvferryError } from '../protocol/errors.js';
import { CHUNKS_IN_PROGRESS_MAX } from '../protocol/limits.js';
import type { Holder } from './records.js';

export class Occupancy {
  readonly #holdersMax: number;
  /** The chunks that each holder counts for. */
  readonly #charges = new Map<Holder, number>();
  #chunks = 0;
  #readers = 0;

  constructor(holdersMax: number) {
    this.#holdersMax = holdersMax;
  }

  /** The chunks of a request, or those that a reader leases. */
  set(holder: Holder, chunks: number): void {
    const before = this.#charges.get(holder);
    if (before === undefined && holder.state === 'reader') this.#readers += 1;
    this.#chunks += chunks - (before ?? 0);
    this.#charges.set(holder, chunks);
  }

  delete(holder: Holder): void {
    const chunks = this.#charges.get(holder);
    if (chunks === undefined) return;
    this.#charges.delete(holder);
    this.#chunks -= chunks;
    if (holder.state === 'reader') this.#readers -= 1;
  }

  /** What the holders count for whose requests are meant: their chunks, and how many of them are readers. */
  of(isMeant: (request: string) => boolean): { readonly chunks: number; readonly readers: number } {
    const total = { chunks: 0, readers: 0 };
    for (const [{ id, state }, chunks] of this.#charges) {
      if (!isMeant(id.request)) continue;
      total.chunks += chunks;
      if (state === 'reader') total.readers += 1;
    }
    return total;
  }

  /** Throws `too_many_requests`. */
  refuseMoreHolders(chunks: number): void {
    const { size } = this.#charges;
    if (size >= this.#holdersMax) throw tooMany(`${size} requests and readers are active: no more are allowed`);
    this.refuseMoreChunks(chunks);
  }

  /** Throws `too_many_requests`. */
  refuseMoreReaders(): void {
    if (this.#readers < Math.ceil(this.#holdersMax / 2)) return;
    throw tooMany(`${this.#readers} readers are active: no more are allowed, so that requests find room`);
  }

  /** Throws `too_many_requests`. */
  refuseMoreChunks(chunks: number): void {
    if (this.#chunks + chunks <= CHUNKS_IN_PROGRESS_MAX) return;
    throw tooMany(`requests and readers of ${this.#chunks} chunks are active: ${chunks} more are too many`);
  }
}

function tooMany(message: string): KvferryError {
  return new KvferryError('too_many_requests', message, { field: 'request' });
}
