import { KvferryError } from '../../protocol/errors.js';
import { CHUNKS_IN_PROGRESS_MAX } from '../../protocol/limits.js';
import type { PutRequest } from '../../protocol/operations.js';

/** A put without chunks counts as so many. */
const PUT_CHUNKS_MIN = 64;

/** Puts whose receiver is being looked up. A `cancel` that came after them waits for them (P20). */
export class ArrivingPuts {
  readonly #byRequest = new Map<string, Set<Promise<unknown>>>();
  /** Chunks of all of them. */
  #chunks = 0;

  /** Counts the work as arriving until it settles. Throws when as much has arrived already as the agent keeps. */
  add<T>(put: PutRequest, begin: () => Promise<T>): Promise<T> {
    const { request } = put;
    const chunks = chunksOf(put);
    this.#refuseMore(put, chunks);
    this.#chunks += chunks;
    const work = begin();
    const puts = this.#byRequest.get(request) ?? new Set();
    this.#byRequest.set(request, puts);
    const done = work
      .catch(() => undefined)
      .then(() => {
        this.#chunks -= chunks;
        puts.delete(done);
        if (puts.size === 0) this.#byRequest.delete(request);
      });
    puts.add(done);
    return work;
  }

  #refuseMore({ request }: PutRequest, chunks: number): void {
    if (this.#chunks + chunks <= CHUNKS_IN_PROGRESS_MAX) return;
    const message = `puts of ${this.#chunks} chunks wait for their receivers or sessions: send request ${request} later`;
    throw new KvferryError('too_many_requests', message, { field: 'request' });
  }

  /** Resolves when the puts that have arrived by now are accepted or refused. Undefined when there are none. */
  before(request: string): Promise<unknown> | undefined {
    const puts = this.#byRequest.get(request);
    return puts === undefined ? undefined : Promise.all(puts);
  }
}

function chunksOf({ keys, source }: PutRequest): number {
  return Math.max(PUT_CHUNKS_MIN, keys.length, source.length);
}
