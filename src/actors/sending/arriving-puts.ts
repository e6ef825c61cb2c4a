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

  /** Throws `too_many_requests` when as much has arrived already as the agent keeps. */
  check(put: PutRequest): void {
    if (this.#chunks + chunksOf(put) <= CHUNKS_IN_PROGRESS_MAX) return;
    const message = `puts of ${this.#chunks} chunks wait for their receivers or sessions: send request ${put.request} later`;
    throw new KvferryError('too_many_requests', message, { field: 'request' });
  }

  /** Counts a put that was checked as arriving until its answer is known. */
  add(put: PutRequest, answer: Promise<unknown>): void {
    const { request } = put;
    const chunks = chunksOf(put);
    this.#chunks += chunks;
    const puts = this.#byRequest.get(request) ?? new Set();
    this.#byRequest.set(request, puts);
    const done = answer
      .catch(() => undefined)
      .then(() => {
        this.#chunks -= chunks;
        puts.delete(done);
        if (puts.size === 0) this.#byRequest.delete(request);
      });
    puts.add(done);
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
