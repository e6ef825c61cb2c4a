/** Behaves like an engine that computes prompts: fills its memory, hands batches to its agent, re-uses what is released. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KvferryClient, OperationInput } from '../../client/kvferry-client.js';
import type { ControlSubscription } from '../../ports/control.js';
import { poll } from '../../processes/within.js';
import { isKvferryError, type KvferryError } from '../../protocol/errors.js';
import type { SourceReleasedEvent } from '../../protocol/events.js';
import { fillPage } from './pattern.js';
import type { SourceSegment } from './source-segment.js';
import type { Violations } from './violations.js';
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

/** Between two looks at whether the agent was started again. */
const FOLLOW_INTERVAL_MS = 300;

/** A batch that the agent has. */
interface HeldBatch {
  /** The slot of each position, undefined once it was released. */
  readonly slots: (number | undefined)[];
  /** Of the process that has accepted it. */
  epoch?: string;
}

export class PrefillEngine {
  readonly agent: string;
  readonly #client: KvferryClient;
  readonly #segment: SourceSegment;
  readonly #segmentName: string;
  readonly #violations: Violations;
  readonly #patienceMs: number;
  readonly #held = new Map<string, HeldBatch>();
  #subscription: ControlSubscription | undefined;
  #isClosed = false;

  constructor(options: {
    readonly agent: string;
    readonly client: KvferryClient;
    readonly segment: SourceSegment;
    readonly segmentName: string;
    readonly violations: Violations;
    /** How long agents may be away before it gives a batch up. Default: they never are. */
    readonly patienceMs?: number;
  }) {
    this.agent = options.agent;
    this.#client = options.client;
    this.#segment = options.segment;
    this.#segmentName = options.segmentName;
    this.#violations = options.violations;
    this.#patienceMs = options.patienceMs ?? 0;
  }

  async open(): Promise<void> {
    this.#subscription = this.#client.onSourceReleased(this.agent, (event) => this.#released(event));
    await this.#attach();
    if (this.#patienceMs > 0) void this.#follow();
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
      const held: HeldBatch = { slots: [...batchSlots] };
      this.#held.set(`${request} ${batch}`, held);
      try {
        held.epoch = await this.#put({
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
    this.#isClosed = true;
    const detached = this.#client.detach(this.agent, { segment: this.#segmentName });
    await (this.#patienceMs > 0 ? detached.catch(whileAway) : detached);
    this.#subscription?.close();
  }

  /** Hands a batch to the agent, as soon as it and the receiver are there; answers the epoch that has accepted it. */
  async #put(batch: OperationInput<'put'>): Promise<string> {
    let away: KvferryError | undefined;
    const epoch = await poll(this.#patienceMs, async () => {
      try {
        return (await this.#client.put(this.agent, batch)).epoch;
      } catch (error) {
        away = whileAway(error);
        return undefined;
      }
    });
    if (epoch === undefined) throw away;
    return epoch;
  }

  /** Until it is closed: an agent that was started again knows nothing of our memory. */
  async #follow(): Promise<void> {
    let attachedTo: string | undefined;
    while (!this.#isClosed) {
      await delay(FOLLOW_INTERVAL_MS, undefined, { ref: false });
      try {
        const { epoch } = await this.#client.describe(this.agent);
        if (epoch === attachedTo) continue;
        await this.#attach().catch(whileAway);
        attachedTo = epoch;
        this.#forgetAllBut(epoch);
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        if (error.code === 'closed') return;
      }
    }
  }

  async #attach(): Promise<void> {
    await this.#client.attach(this.agent, { segment: this.#segmentName, path: this.#segment.path });
  }

  /** Nobody reads any more what a former process of the agent had. */
  #forgetAllBut(epoch: string): void {
    for (const [name, held] of this.#held) {
      if (held.epoch === undefined || held.epoch === epoch) continue;
      this.#held.delete(name);
      this.#segment.give(held.slots.filter((slot) => slot !== undefined));
    }
  }

  #released({ request, batch, positions }: SourceReleasedEvent): void {
    const name = `${request} ${batch}`;
    const held = this.#held.get(name);
    if (held === undefined) return;
    for (const position of positions) {
      const slot = held.slots[position];
      if (slot === undefined) {
        this.#violations.add(`source of ${request}, batch ${batch}, position ${position} was released twice`);
        continue;
      }
      held.slots[position] = undefined;
      this.#segment.give([slot]);
    }
  }
}

/** An agent is not there, or not yet as it was, or already; anything else is thrown. */
function whileAway(error: unknown): KvferryError {
  if (isKvferryError(error, 'no_responders', 'unknown_receiver', 'segment_not_found', 'segment_exists')) return error;
  throw error;
}
