/** The batches of one request that engines have put so far. */
import type { AgentEnv } from '../env/agent-env.js';
import { releaseSource } from './release-source.js';
import type { Batch, PutBatch, RequestTask } from './request-task.js';

export class PutBatches {
  readonly #env: AgentEnv;
  readonly #task: Pick<RequestTask, 'request' | 'memory'>;
  readonly #batches = new Map<number, Batch>();
  #chunks = 0;
  #lastIn = false;
  /** Bytes. */
  #longestChunk = 0;
  /** So many chunks at the beginning of the request do not travel. */
  #skip = 0;

  constructor(env: AgentEnv, task: Pick<RequestTask, 'request' | 'memory'>) {
    this.#env = env;
    this.#task = task;
  }

  add(batch: PutBatch): void {
    this.#set(batch, this.#chunks);
    this.#chunks += batch.chunks.length;
    this.#lastIn = batch.last;
    for (const { length } of batch.chunks) this.#longestChunk = Math.max(this.#longestChunk, length);
  }

  /** So many chunks at the beginning of the request do not travel. Their source memory comes back. Call it once. */
  skip(count: number): void {
    if (count === 0) return;
    this.#skip = count;
    let before = 0;
    for (const batch of [...this.#batches.values()]) {
      this.#set(batch, before);
      before += batch.chunks.length;
    }
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
  giveBack(): void {
    for (const { batch, skipped, chunks } of this.#batches.values()) {
      this.#release(batch, skipped, skipped + chunks.length);
    }
  }

  /** `before`: chunks of the request in earlier batches. */
  #set({ batch, last, chunks }: PutBatch, before: number): void {
    const skipped = Math.min(Math.max(0, this.#skip - before), chunks.length);
    this.#batches.set(batch, { batch, last, skipped, chunks: chunks.slice(skipped) });
    if (skipped === 0) return;
    this.#env.counters.add('chunks_skipped', skipped);
    this.#release(batch, 0, skipped);
  }

  /** The positions of the batch from `first` to before `end`. */
  #release(batch: number, first: number, end: number): void {
    const { request, memory } = this.#task;
    const positions = Array.from({ length: end - first }, (_, index) => first + index);
    releaseSource(this.#env, memory, { request, batch, positions });
  }
}
