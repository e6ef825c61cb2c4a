/**
 * Which slots the prefill agent may be reading. A slot is lent from the moment its `put` is sent. It comes back when the
 * agent refuses the batch, when the agent releases the chunk, or when the process that read it is gone. Time alone never
 * brings a slot back: an agent that is only slow would read the bytes of another chunk.
 */
import { KvferryError } from '../protocol/errors.js';
import type { SourceReleasedEvent } from '../protocol/events.js';
import type { SourceChunk } from './source-memory.js';

interface LentBatch {
  readonly name: string;
  /** The slot of each position; undefined once it came back, or when the chunk lies in other memory. */
  readonly slots: (number | undefined)[];
  /**
   * `sent`: the answer is open. `accepted`: by the process of `epoch`. `doubtful`: given up without an answer, so that
   * the agent may have taken the batch and may still take it.
   */
  state: 'sent' | 'accepted' | 'doubtful';
  /** The process that may read the slots; of a doubtful batch the last one that may. */
  epoch: string | undefined;
}

export interface LendingsOptions {
  /** The slot of a chunk; undefined for a chunk in other memory, such as staging pages of the agent. */
  readonly slotOf: (chunk: SourceChunk) => number | undefined;
  /** Takes slots back. */
  readonly giveBack: (slots: number[]) => void;
  /** The agent has released a position of a batch twice, which breaks the protocol. */
  readonly onReleasedTwice?: ((event: SourceReleasedEvent, position: number) => void) | undefined;
}

export class Lendings {
  readonly #options: LendingsOptions;
  readonly #batches = new Map<string, LentBatch>();

  constructor(options: LendingsOptions) {
    this.#options = options;
  }

  /**
   * The batch is about to be sent. Throws `duplicate_batch`, and takes the slots back, when a batch of that name is lent
   * already: a request id must not be used again before its source memory came back.
   */
  lend(request: string, batch: number, chunks: readonly SourceChunk[]): void {
    const slots = chunks.map((chunk) => this.#options.slotOf(chunk));
    if (slots.every((slot) => slot === undefined)) return;
    const name = nameOf(request, batch);
    if (this.#batches.has(name)) {
      this.discard(chunks);
      throw new KvferryError('duplicate_batch', `source memory of batch ${batch} of request ${request} is still lent`);
    }
    this.#batches.set(name, { name, slots, state: 'sent', epoch: undefined });
  }

  /** The chunks will not be sent. */
  discard(chunks: readonly SourceChunk[]): void {
    this.#giveBack(chunks.map((chunk) => this.#options.slotOf(chunk)));
  }

  accepted(request: string, batch: number, epoch: string): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent !== undefined) Object.assign(lent, { state: 'accepted', epoch });
  }

  refused(request: string, batch: number): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent !== undefined) this.#takeBack(lent);
  }

  /** No answer has come, and the caller asks no longer. */
  givenUp(request: string, batch: number): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent !== undefined) lent.state = 'doubtful';
  }

  /** The agent may send this event before it answers the `put`. */
  released(event: SourceReleasedEvent): void {
    const lent = this.#batches.get(nameOf(event.request, event.batch));
    if (lent === undefined || (lent.state === 'accepted' && lent.epoch !== event.epoch)) return;
    const slots: (number | undefined)[] = [];
    for (const position of event.positions) {
      const slot = lent.slots[position];
      if (slot === undefined) this.#options.onReleasedTwice?.(event, position);
      slots.push(slot);
      lent.slots[position] = undefined;
    }
    if (lent.slots.every((slot) => slot === undefined)) this.#batches.delete(lent.name);
    this.#giveBack(slots);
  }

  /**
   * A process of the agent is running. What an earlier process had accepted comes back. A doubtful batch was taken by this
   * process or by an earlier one, so its slots come back when the next process is seen.
   */
  agentSeen(epoch: string): void {
    for (const lent of this.#batches.values()) {
      if (lent.state === 'sent') continue;
      if (lent.epoch === undefined) lent.epoch = epoch;
      else if (lent.epoch !== epoch) this.#takeBack(lent);
    }
  }

  /** The batches that this process has accepted and has not released, as far as events say. */
  acceptedBy(epoch: string): readonly LentBatch[] {
    return [...this.#batches.values()].filter((lent) => lent.state === 'accepted' && lent.epoch === epoch);
  }

  /** The agent has said that it reads none of them: the events that said so were lost. */
  takeBackAll(batches: readonly LentBatch[]): void {
    for (const lent of batches) if (this.#batches.get(lent.name) === lent) this.#takeBack(lent);
  }

  #takeBack(lent: LentBatch): void {
    this.#batches.delete(lent.name);
    this.#giveBack(lent.slots);
  }

  #giveBack(slots: readonly (number | undefined)[]): void {
    const own = slots.filter((slot) => slot !== undefined);
    if (own.length > 0) this.#options.giveBack(own);
  }
}

function nameOf(request: string, batch: number): string {
  return `${request} ${batch}`;
}
