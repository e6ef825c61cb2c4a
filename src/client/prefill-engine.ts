/**
 * The engine's side of a prefill agent: fills its memory, puts chunks, and takes memory back when the agent says so. It
 * attaches the memory again when the agent was restarted, which it sees from heartbeats.
 */
import { SystemClock } from '../control/system-clock.js';
import type { ClockPort } from '../ports/clock.js';
import type { ControlSubscription } from '../ports/control.js';
import { invalidField, KvferryError } from '../protocol/errors.js';
import type { SourceReleasedEvent } from '../protocol/events.js';
import { AttachedMemory } from './attached-memory.js';
import type { KvferryClient } from './kvferry-client.js';
import { Lendings } from './lendings.js';
import { OutgoingRequest, type RequestPlan } from './outgoing-request.js';
import { RequestEnds } from './request-ends.js';
import { Slots } from './slots.js';
import type { SourceChunk, SourceMemory } from './source-memory.js';

/** Long enough for several attempts. */
const PATIENCE_MS = 10_000;
const CALL_TIMEOUT_MS = 2_000;
/** Chunks of one batch: its message stays small, wherever its chunks lie. */
const CHUNKS_PER_BATCH = 2048;

export interface PrefillEngineOptions {
  readonly client: KvferryClient;
  /** The prefill agent. */
  readonly agent: string;
  /** Name of the memory at the agent. No two engines of an agent may have the same name. */
  readonly segment: string;
  readonly memory: SourceMemory;
  /** Bytes of one slot: of the longest chunk. */
  readonly slotBytes: number;
  /** Shared by the engines of one process. Default: the engine makes its own. */
  readonly ends?: RequestEnds;
  /** How long the agent or an answer may be away before a call is given up; 0: no call is repeated. Default: 10 s. */
  readonly patienceMs?: number;
  /** Time for one answer, after which the call is repeated. Default: 2 s. Milliseconds. */
  readonly callTimeoutMs?: number;
  readonly clock?: ClockPort;
  /** Slots, by their offsets in bytes, belong to the engine again. */
  readonly onReleased?: (offsets: readonly number[]) => void;
  /** The agent has released a position of a batch twice, which breaks the protocol. */
  readonly onReleasedTwice?: (event: SourceReleasedEvent, position: number) => void;
}

/** A chunk before it is in the memory. A function is called when its slot is free, so that bytes need not wait in memory. */
export interface UnfilledChunk {
  readonly key: string;
  readonly bytes: Uint8Array | (() => Uint8Array);
}

export class PrefillEngine {
  readonly agent: string;
  readonly #options: PrefillEngineOptions;
  readonly #clock: ClockPort;
  readonly #patienceMs: number;
  readonly #ends: RequestEnds;
  readonly #slots: Slots;
  readonly #lendings: Lendings;
  readonly #attached: AttachedMemory;
  readonly #subscriptions: ControlSubscription[] = [];
  #isAsking = false;
  #isClosed = false;
  /** NATS was away, so release events may have been lost. */
  #mayHaveMissedReleases = false;

  private constructor(options: PrefillEngineOptions) {
    const { client, agent, segment, memory, callTimeoutMs } = options;
    checkSlotBytes(options);
    this.agent = agent;
    this.#options = options;
    this.#clock = options.clock ?? new SystemClock();
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#ends = options.ends ?? new RequestEnds(client, { clock: this.#clock });
    this.#slots = new Slots(Math.floor(memory.bytes / options.slotBytes));
    this.#lendings = new Lendings({
      slotOf: (chunk) => (chunk.segment === segment ? Math.floor(chunk.offset / options.slotBytes) : undefined),
      giveBack: (slots) => this.#giveBack(slots),
      onReleasedTwice: options.onReleasedTwice,
    });
    const call = { timeoutMs: callTimeoutMs ?? CALL_TIMEOUT_MS };
    const patience = { clock: this.#clock, patienceMs: this.#patienceMs };
    this.#attached = new AttachedMemory({ client, agent, segment, path: memory.path, call, ...patience });
  }

  /**
   * Attaches the memory. Rejects as `attachSegment` does, and `no_responders` when the agent is still away after the
   * patience is over; then nothing is left open.
   */
  static async open(options: PrefillEngineOptions): Promise<PrefillEngine> {
    const engine = new PrefillEngine(options);
    try {
      await engine.#open();
      return engine;
    } catch (error) {
      engine.#unsubscribe();
      throw error;
    }
  }

  /** Slots of the memory, and those that are neither filled nor lent. */
  get slots(): { readonly total: number; readonly free: number } {
    return { total: this.#slots.total, free: this.#slots.free };
  }

  /**
   * Copies chunks into the memory, as soon as there is a slot for each. Put all of them, or give them back with `discard`.
   * The signal ends the wait for slots. Rejects `invalid_field` when the memory has fewer slots or a chunk is longer than a
   * slot, with the reason of the signal, and with the error of the memory.
   */
  async fill(chunks: readonly UnfilledChunk[], signal?: AbortSignal): Promise<SourceChunk[]> {
    const { memory, segment, slotBytes } = this.#options;
    this.#checkOpen();
    const slots = await this.#slots.take(chunks.length, signal);
    try {
      const filled: SourceChunk[] = [];
      for (const [index, { key, bytes }] of chunks.entries()) {
        const offset = (slots[index] as number) * slotBytes;
        const content = typeof bytes === 'function' ? bytes() : bytes;
        if (content.length > slotBytes) {
          throw invalidField('chunks', `chunk ${key} has ${content.length} bytes, a slot has ${slotBytes}`);
        }
        await memory.write(offset, content);
        filled.push({ key, segment, offset, length: content.length });
      }
      for (const chunk of filled) this.#lendings.filled(chunk);
      return filled;
    } catch (error) {
      this.#giveBack(slots);
      throw error;
    }
  }

  /** Gives slots back whose chunks were filled and will not be put. */
  discard(chunks: readonly SourceChunk[]): void {
    this.#lendings.discard(chunks);
  }

  /** Begins a request whose batches the caller puts one by one, as the steps of chunked prefill end. Sends nothing yet. */
  begin(plan: RequestPlan): OutgoingRequest {
    this.#checkOpen();
    const { client, agent, callTimeoutMs = CALL_TIMEOUT_MS } = this.#options;
    return new OutgoingRequest(plan, {
      client,
      agent,
      callTimeoutMs,
      clock: this.#clock,
      patienceMs: this.#patienceMs,
      ends: this.#ends,
      lendings: this.#lendings,
    });
  }

  /**
   * Puts a whole prompt, batch by batch. Resolves when the agent has accepted all batches; the bytes are then on their way.
   * Rejects as `OutgoingRequest.put` does. The slots of all chunks come back, also when it rejects.
   */
  async put(
    plan: Omit<RequestPlan, 'totalChunks'>,
    chunks: readonly SourceChunk[],
    chunksPerBatch = CHUNKS_PER_BATCH,
  ): Promise<OutgoingRequest> {
    if (!(chunksPerBatch >= 1)) throw invalidField('chunksPerBatch', `${chunksPerBatch} chunks are no batch`);
    const outgoing = this.begin({ ...plan, totalChunks: chunks.length });
    for (let from = 0; from === 0 || from < chunks.length; from += chunksPerBatch) {
      try {
        await outgoing.put(chunks.slice(from, from + chunksPerBatch));
      } catch (error) {
        // The agent does not get the batches after the refused one.
        this.discard(chunks.slice(from + chunksPerBatch));
        throw error;
      }
    }
    return outgoing;
  }

  /**
   * Detaches the memory, once the agent reads no chunk of it any more. Rejects `segment_in_use` when that takes longer than
   * 5 s. The memory and a shared `RequestEnds` stay open.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#slots.close(this.#closed());
    this.#unsubscribe();
    await this.#attached.detach();
  }

  async #open(): Promise<void> {
    const { client, agent } = this.#options;
    this.#subscriptions.push(
      client.onSourceReleased(agent, (event) => this.#lendings.released(event)),
      // A draining process takes no puts, and another one may have its name already.
      client.onHeartbeat(agent, ({ epoch, draining, predecessor }) => {
        if (!draining) void this.#agentSeen(epoch, predecessor);
      }),
      client.onConnection((status) => {
        if (status === 'disconnected') this.#mayHaveMissedReleases = true;
      }),
    );
    await client.flush();
    await this.#attached.attach();
  }

  #unsubscribe(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.close();
    if (this.#options.ends === undefined) this.#ends.close();
  }

  /** A heartbeat of the agent. */
  async #agentSeen(epoch: string, predecessor: string | undefined): Promise<void> {
    this.#lendings.agentSeen(epoch, predecessor);
    await this.#attached.agentSeen(epoch);
    if (this.#slots.isShort || this.#mayHaveMissedReleases) await this.#askForLost(epoch);
  }

  /**
   * Release events may have been lost, or a prompt waits for slots. If the agent says that it reads no chunk of this memory,
   * every batch that it had accepted before the question comes back.
   */
  async #askForLost(epoch: string): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const accepted = this.#lendings.acceptedIn(epoch);
      if (accepted.length > 0 && !(await this.#attached.isUnread(epoch))) return;
      this.#lendings.takeBackAll(accepted);
      this.#mayHaveMissedReleases = false;
    } finally {
      this.#isAsking = false;
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw this.#closed();
  }

  #closed(): KvferryError {
    return new KvferryError('closed', `the engine of segment ${this.#options.segment} is closed`);
  }

  #giveBack(slots: readonly number[]): void {
    this.#options.onReleased?.(slots.map((slot) => slot * this.#options.slotBytes));
    this.#slots.give(slots);
  }
}

function checkSlotBytes({ memory, slotBytes }: PrefillEngineOptions): void {
  if (Number.isInteger(slotBytes) && slotBytes > 0 && slotBytes <= memory.bytes) return;
  throw invalidField('slotBytes', `slots of ${slotBytes} bytes do not fit into a memory of ${memory.bytes} bytes`);
}
