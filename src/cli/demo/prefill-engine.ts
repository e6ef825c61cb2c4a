/** Behaves like an engine that computes prompts: fills its memory, hands batches to its agent, re-uses what is released. */

import type { KvferryClient } from '../../client/kvferry-client.js';
import type { ControlSubscription } from '../../ports/control.js';
import type { SourceReleasedEvent } from '../../protocol/events.js';
import { fillPage } from './pattern.js';
import type { SourceSegment } from './source-segment.js';
import type { Violations } from './violations.js';
import { poll } from './within.js';
import { CHUNKS_PER_BATCH } from './workload.js';

export interface Sending {
  readonly request: string;
  readonly keys: readonly string[];
  readonly receiver: string;
  /** Bytes of every chunk. */
  readonly chunkBytes: number;
  readonly timeoutMs: number;
  readonly chunksPerBatch?: number;
}

/** A batch that the agent has: the slot of each position, undefined once it was released. */
type HeldBatch = (number | undefined)[];

export class PrefillEngine {
  readonly agent: string;
  readonly #client: KvferryClient;
  readonly #segment: SourceSegment;
  readonly #segmentName: string;
  readonly #violations: Violations;
  readonly #held = new Map<string, HeldBatch>();
  #subscription: ControlSubscription | undefined;

  constructor(options: {
    readonly agent: string;
    readonly client: KvferryClient;
    readonly segment: SourceSegment;
    readonly segmentName: string;
    readonly violations: Violations;
  }) {
    this.agent = options.agent;
    this.#client = options.client;
    this.#segment = options.segment;
    this.#segmentName = options.segmentName;
    this.#violations = options.violations;
  }

  async open(): Promise<void> {
    this.#subscription = this.#client.onSourceReleased(this.agent, (event) => this.#released(event));
    await this.#client.attach(this.agent, { segment: this.#segmentName, path: this.#segment.path });
  }

  /** Computes a prompt: takes slots and fills them. */
  async compute(keys: readonly string[], chunkBytes: number): Promise<number[]> {
    const slots = await this.#segment.take(keys.length);
    const page = Buffer.allocUnsafe(chunkBytes);
    for (const [index, slot] of slots.entries()) {
      fillPage(page, keys[index] as string);
      await this.#segment.write(slot, page);
    }
    return slots;
  }

  /** Hands a computed prompt to the agent, batch by batch. Rejects when the agent refuses one. */
  async send(sending: Sending, slots: readonly number[]): Promise<void> {
    const { request, keys, receiver, chunkBytes, timeoutMs } = sending;
    const size = sending.chunksPerBatch ?? CHUNKS_PER_BATCH;
    const batches = Math.ceil(keys.length / size);
    for (let batch = 0; batch < batches; batch += 1) {
      const from = batch * size;
      const batchSlots = slots.slice(from, from + size);
      this.#held.set(`${request} ${batch}`, [...batchSlots]);
      try {
        await this.#client.put(this.agent, {
          request,
          receiver,
          batch,
          last: batch === batches - 1,
          totalChunks: keys.length,
          timeoutMs,
          keys: keys.slice(from, from + size),
          source: this.#segment.runs(this.#segmentName, batchSlots, chunkBytes),
        });
      } catch (error) {
        // The agent has not taken this batch, nor will it get those after it.
        this.#held.delete(`${request} ${batch}`);
        this.#segment.give(slots.slice(from));
        throw error;
      }
    }
  }

  /** Resolves with the number of chunks whose memory the agent has not released within `timeoutMs`. */
  async unreleased(timeoutMs: number): Promise<number> {
    await poll(timeoutMs, async () => (this.#segment.freeSlots === this.#segment.slots ? true : undefined));
    return this.#segment.slots - this.#segment.freeSlots;
  }

  async close(): Promise<void> {
    await this.#client.detach(this.agent, { segment: this.#segmentName });
    this.#subscription?.close();
  }

  #released({ request, batch, positions }: SourceReleasedEvent): void {
    const name = `${request} ${batch}`;
    const held = this.#held.get(name);
    if (held === undefined) return;
    for (const position of positions) {
      const slot = held[position];
      if (slot === undefined) {
        this.#violations.add(`source of ${request}, batch ${batch}, position ${position} was released twice`);
        continue;
      }
      held[position] = undefined;
      this.#segment.give([slot]);
    }
  }
}
