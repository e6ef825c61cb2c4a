/**
 * Which slots hold a chunk that `fill` put there, and which the prefill agent may be reading. A slot is lent from the moment
 * its `put` is sent. It comes back when the agent has not taken the batch and never will, when the agent releases the chunk, or
 * when the process that read it is gone. Time alone never brings a slot back: an agent that is only slow would read the bytes
 * of another chunk. A release event can be lost, so the agent is asked about a batch that is lent for long.
 */
import { invalidField, KvferryError } from '../protocol/errors.js';
import type { SourceReleasedEvent } from '../protocol/events.js';
import { shownKey } from '../protocol/shown-text.js';
import type { SessionRef } from './engine-session.js';
import type { SourceChunk } from './source-memory.js';

/** Time after which the agent is asked about a batch that it has taken, and time between two questions. */
const ASK_AFTER_MS = 5_000;

export interface LentBatch {
  readonly name: string;
  /** The slot of each position; undefined once it came back, or when the chunk lies in other memory. */
  readonly slots: (number | undefined)[];
  /**
   * `pending`: the order is under way, perhaps to the next session. `doubtful`: it was given up, and the agent may have taken the
   * batch. `taken`: the agent has taken it, as far as is known.
   */
  state: 'pending' | 'doubtful' | 'taken';
  /** The session in which it was put. Undefined before it is sent. */
  session: SessionRef | undefined;
  /**
   * Outages of NATS before it was lent, or before the agent was asked about it. Release events of later ones may be lost, also
   * some from before the answer to its `put`.
   */
  outages: number;
  /** Release events may be lost without an outage here: at a NATS server, or at the agent. From then on the agent is asked. */
  askAtMs: number;
}

/** When the agent was asked what it reads. */
export interface Question {
  readonly outages: number;
  readonly atMs: number;
}

/** Positions of a batch that the agent may still read. */
export interface HeldBatch {
  readonly request: string;
  readonly batch: number;
  readonly positions: readonly number[];
}

export interface LendingsOptions {
  /** Milliseconds of the clock. */
  readonly now: () => number;
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
  /** The chunk in each filled slot that is neither lent nor discarded. */
  readonly #filled = new Map<number, SourceChunk>();
  /** Outages of NATS so far. */
  #outages = 0;

  constructor(options: LendingsOptions) {
    this.#options = options;
  }

  /** The chunk's bytes are in its slot. */
  filled(chunk: SourceChunk): void {
    const slot = this.#options.slotOf(chunk);
    if (slot !== undefined) this.#filled.set(slot, chunk);
  }

  /**
   * The batch is about to be sent. Throws `invalid_field` when a chunk of this memory is not in its slot: a slot that came back
   * may hold the bytes of another prompt. Throws `duplicate_batch` when a batch of that name is lent already: a request id
   * must not be used again before its source memory came back. In both cases the filled slots come back.
   */
  lend(request: string, batch: number, chunks: readonly SourceChunk[]): void {
    const slots = chunks.map((chunk) => this.#options.slotOf(chunk));
    if (slots.every((slot) => slot === undefined)) return;
    const name = nameOf(request, batch);
    const error = this.#notFilled(chunks) ?? (this.#batches.has(name) ? stillLent(request, batch) : undefined);
    if (error !== undefined) {
      this.discard(chunks);
      throw error;
    }
    for (const slot of slots) if (slot !== undefined) this.#filled.delete(slot);
    this.#batches.set(name, {
      ...{ name, slots, state: 'pending', session: undefined },
      ...{ outages: this.#outages, askAtMs: Number.POSITIVE_INFINITY },
    });
  }

  /** The batch is being sent in that session. */
  sending(request: string, batch: number, session: SessionRef): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent !== undefined) lent.session = session;
  }

  /** The chunks will not be sent: their slots come back. Ignores a chunk that is not in its slot, or not any more. */
  discard(chunks: readonly SourceChunk[]): void {
    const own = chunks
      .map((chunk) => this.#options.slotOf(chunk))
      .filter((slot, at) => this.#isFilled(slot, chunks[at]));
    for (const slot of own) this.#filled.delete(slot as number);
    this.#giveBack([...new Set(own)]);
  }

  accepted(request: string, batch: number): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent === undefined) return;
    lent.state = 'taken';
    lent.askAtMs = this.#options.now() + ASK_AFTER_MS;
    this.#dropIfEmpty(lent);
  }

  /** The order was given up, and it is not known whether the agent has taken the batch. */
  doubtful(request: string, batch: number): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent !== undefined) lent.state = 'doubtful';
  }

  /** The agent has not taken the batch, and never will. */
  refused(request: string, batch: number): void {
    const lent = this.#batches.get(nameOf(request, batch));
    if (lent !== undefined) this.#takeBack(lent);
  }

  /** The agent may send this event before it answers the `put`. */
  released(event: SourceReleasedEvent): void {
    const lent = this.#batches.get(nameOf(event.request, event.batch));
    if (lent === undefined || lent.session?.epoch !== event.epoch) return;
    const slots: (number | undefined)[] = [];
    for (const position of event.positions) {
      if (position >= lent.slots.length) continue;
      const slot = lent.slots[position];
      if (slot === undefined) this.#options.onReleasedTwice?.(event, position);
      slots.push(slot);
      lent.slots[position] = undefined;
    }
    this.#giveBack(slots);
    this.#dropIfEmpty(lent);
  }

  /** NATS is away. */
  eventsLost(): void {
    this.#outages += 1;
  }

  /** Whether release events may be lost of a batch that the agent has taken in that session. */
  mayMiss(session: SessionRef): boolean {
    const nowMs = this.#options.now();
    const mayMiss = (lent: LentBatch) => lent.outages !== this.#outages || nowMs >= lent.askAtMs;
    return this.lentIn(session, 'taken').some(mayMiss);
  }

  /** The agent is about to be asked what it reads. */
  question(): Question {
    return { outages: this.#outages, atMs: this.#options.now() };
  }

  /** The answer to the `put` of a batch is open. */
  get hasPending(): boolean {
    return [...this.#batches.values()].some(({ state }) => state === 'pending');
  }

  /** The sessions in which batches were put that have not come back. */
  sessions(): SessionRef[] {
    const sessions = new Map<string, SessionRef>();
    for (const { session } of this.#batches.values()) if (session !== undefined) sessions.set(session.id, session);
    return [...sessions.values()];
  }

  /** The batches of a session that have not come back, in these states. */
  lentIn(session: SessionRef, ...states: readonly LentBatch['state'][]): readonly LentBatch[] {
    return [...this.#batches.values()].filter((lent) => lent.session?.id === session.id && states.includes(lent.state));
  }

  /** The agent has answered which positions of these batches it may still read. All others come back. */
  keepOnly(batches: readonly LentBatch[], held: readonly HeldBatch[], asked: Question): void {
    const positions = new Map(held.map((one) => [nameOf(one.request, one.batch), new Set(one.positions)]));
    for (const lent of batches) {
      if (this.#batches.get(lent.name) !== lent) continue;
      const kept = positions.get(lent.name);
      if (kept === undefined) {
        this.#takeBack(lent);
        continue;
      }
      lent.state = 'taken';
      lent.outages = asked.outages;
      lent.askAtMs = asked.atMs + ASK_AFTER_MS;
      const free = [...lent.slots.keys()].filter((position) => !kept.has(position));
      const slots = free.map((position) => lent.slots[position]);
      for (const position of free) lent.slots[position] = undefined;
      this.#giveBack(slots);
      this.#dropIfEmpty(lent);
    }
  }

  /** The process with that epoch reads nothing any more: every batch that it may have taken comes back. */
  processReadsNothing(epoch: string): void {
    for (const lent of this.#batches.values()) {
      if (lent.session?.epoch === epoch && lent.state !== 'pending') this.#takeBack(lent);
    }
  }

  /** Why these chunks must not be sent, if one of them is not in its slot, or is there twice. */
  #notFilled(chunks: readonly SourceChunk[]): KvferryError | undefined {
    const seen = new Set<number>();
    for (const [position, chunk] of chunks.entries()) {
      const slot = this.#options.slotOf(chunk);
      if (slot === undefined) continue;
      if (!this.#isFilled(slot, chunk) || seen.has(slot)) {
        const message = `chunk ${shownKey(chunk.key)} is no longer in the memory at offset ${chunk.offset}: fill it again`;
        return invalidField(`chunks[${position}]`, message);
      }
      seen.add(slot);
    }
    return undefined;
  }

  #isFilled(slot: number | undefined, chunk: SourceChunk | undefined): boolean {
    return slot !== undefined && chunk !== undefined && this.#filled.get(slot) === chunk;
  }

  /** Nothing of the batch is lent any more. While its answer is open it stays, so that its name is not used twice. */
  #dropIfEmpty(lent: LentBatch): void {
    if (lent.state === 'taken' && lent.slots.every((slot) => slot === undefined)) this.#batches.delete(lent.name);
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

function stillLent(request: string, batch: number): KvferryError {
  return new KvferryError('duplicate_batch', `source memory of batch ${batch} of request ${request} is still lent`);
}

function nameOf(request: string, batch: number): string {
  return `${request} ${batch}`;
}
