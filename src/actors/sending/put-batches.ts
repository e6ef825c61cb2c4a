/** The batches of one request that engines have put so far. */
import type { AgentEnv } from '../env/agent-env.js';
import { releaseSource } from './release-source.js';
import type { Batch, RequestTask } from './request-task.js';

export class PutBatches {
  readonly #batches = new Map<number, Batch>();
  #chunks = 0;
  #lastIn = false;
  /** Bytes. */
  #longestChunk = 0;

  add(batch: Batch): void {
    this.#batches.set(batch.batch, batch);
    this.#chunks += batch.chunks.length;
    this.#lastIn = batch.last;
    for (const { length } of batch.chunks) this.#longestChunk = Math.max(this.#longestChunk, length);
  }

  get(number: number): Batch {
    const batch = this.#batches.get(number);
    if (batch === undefined) throw new Error(`batch ${number} was not put`);
    return batch;
  }

  get numbers(): number[] {
    return [...this.#batches.keys()];
  }

  get count(): number {
    return this.#batches.size;
  }

  get chunks(): number {
    return this.#chunks;
  }

  /** The last batch is in. */
  get lastIn(): boolean {
    return this.#lastIn;
  }

  /** Bytes of the longest chunk. */
  get longestChunk(): number {
    return this.#longestChunk;
  }

  /** Returns the source memory of all batches. Nothing was sent. */
  giveBack(env: AgentEnv, { request, memory }: Pick<RequestTask, 'request' | 'memory'>): void {
    for (const { batch, chunks } of this.#batches.values()) {
      releaseSource(env, memory, { request, batch, positions: [...chunks.keys()] });
    }
  }
}
