/**
 * The engine's side of a prefill agent: fills its memory, puts chunks as orders of its session, and takes memory back when the
 * agent gives it back. It opens another session and attaches the memory again when the agent was restarted.
 */
import { SystemClock } from '../control/system-clock.js';
import type { ClockPort } from '../ports/clock.js';
import type { ControlSubscription } from '../ports/control.js';
import { invalidField, isKvferryError, KvferryError } from '../protocol/errors.js';
import type { SourceReleasedEvent } from '../protocol/events.js';
import { shownKey } from '../protocol/shown-text.js';
import { EngineSession, type SessionRef } from './engine-session.js';
import type { KvferryClient } from './kvferry-client.js';
import { Lendings, type LentBatch } from './lendings.js';
import { OutgoingRequest, type RequestPlan } from './outgoing-request.js';
import { pause } from './pause.js';
import { readSources } from './read-sources.js';
import { CALL_TIMEOUT_MS, PATIENCE_MS } from './repeated.js';
import { RequestEnds } from './request-ends.js';
import { setUpMemory } from './set-up-memory.js';
import { Slots } from './slots.js';
import type { SourceChunk, SourceMemory } from './source-memory.js';

/** For chunks that the agent still reads when the engine closes. */
const CLOSE_PATIENCE_MS = 5_000;
const CLOSE_PAUSE_MS = 50;
/** For orders before the last one whose answers were lost. */
const CLOSE_ORDER_PATIENCE_MS = 1_000;
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
  /** The agent gives the memory of this engine back after a silence of this length. Default: 30 s. Milliseconds. */
  readonly silentMs?: number;
  readonly clock?: ClockPort;
  /** Makes the names of sessions: 16 random hexadecimal digits. */
  readonly newSession?: () => string;
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
  readonly #subscriptions: ControlSubscription[] = [];
  /** Undefined until it is open. */
  #session: EngineSession | undefined;
  #isAsking = false;
  #isClosed = false;
  /** It is closed, and no process reads its memory. */
  #isUnread = false;

  private constructor(options: PrefillEngineOptions) {
    const { client, agent, segment, memory } = options;
    checkSlotBytes(options);
    this.agent = agent;
    this.#options = options;
    this.#clock = options.clock ?? new SystemClock();
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#ends = options.ends ?? new RequestEnds(client, { clock: this.#clock });
    this.#slots = new Slots(Math.floor(memory.bytes / options.slotBytes));
    this.#lendings = new Lendings({
      now: () => this.#clock.now(),
      slotOf: (chunk) => (chunk.segment === segment ? Math.floor(chunk.offset / options.slotBytes) : undefined),
      giveBack: (slots) => this.#giveBack(slots),
      onReleasedTwice: options.onReleasedTwice,
    });
  }

  /**
   * Opens a session and attaches the memory. What is attached under the name of the segment belongs to an earlier engine: it is
   * detached, and the session of that engine is ended. Rejects `segment_not_found` or `segment_invalid` when the agent cannot open
   * the file, `segment_in_use` when it still reads the earlier segment, `no_responders` when it is still away after the patience is
   * over, and as the client does; then nothing is left open.
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
          throw invalidField('chunks', `chunk ${shownKey(key)} has ${content.length} bytes, a slot has ${slotBytes}`);
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
    return new OutgoingRequest(plan, {
      session: this.#session as EngineSession,
      callTimeoutMs: this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS,
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
    const outgoing = this.#beginWhole(plan, chunks, chunksPerBatch);
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

  /** Begins a request of these chunks. Their slots come back when it throws. */
  #beginWhole(
    plan: Omit<RequestPlan, 'totalChunks'>,
    chunks: readonly SourceChunk[],
    chunksPerBatch: number,
  ): OutgoingRequest {
    try {
      if (!(chunksPerBatch >= 1)) throw invalidField('chunksPerBatch', `${chunksPerBatch} chunks are no batch`);
      return this.begin({ ...plan, totalChunks: chunks.length });
    } catch (error) {
      this.discard(chunks);
      throw error;
    }
  }

  /**
   * Waits until the agent reads no chunk of the memory any more, at most 5 s; then ends the session, which cancels what is still in
   * progress. Rejects `segment_in_use` when a process of the agent may still read chunks after that, also because no process answers:
   * call it again later. The memory and a shared `RequestEnds` stay open.
   */
  async close(): Promise<void> {
    if (this.#isUnread) return;
    this.#isClosed = true;
    this.#slots.close(this.#closed());
    if (this.#session !== undefined) await this.#letGo(this.#session);
    this.#isUnread = true;
    this.#unsubscribe();
  }

  async #letGo(session: EngineSession): Promise<void> {
    const untilMs = this.#clock.now() + CLOSE_PATIENCE_MS;
    await this.#unused(session, untilMs);
    await this.#readByEarlier(untilMs);
    const isUnread = await session.end();
    await this.#putsAnswered();
    if (isUnread && session.latest !== undefined) this.#lendings.processReadsNothing(session.latest.epoch);
    await this.#askFor(this.#lendings.sessions());
    const [reading] = this.#lendings.sessions();
    if (reading === undefined) return;
    const message = `the process of agent ${this.agent} with epoch ${reading.epoch} may still read chunks of this engine`;
    throw new KvferryError('segment_in_use', message);
  }

  async #open(): Promise<void> {
    const { client, agent, segment, memory, callTimeoutMs, silentMs, newSession } = this.#options;
    const clock = this.#clock;
    this.#subscriptions.push(
      client.onSourceReleased(agent, (event) => this.#lendings.released(event)),
      // A draining process takes no puts, and another one may have its name already.
      client.onHeartbeat(agent, ({ epoch, alone, draining, leaving }) => {
        // Nothing that this process reads can become ready any more.
        if (leaving) this.#lendings.processReadsNothing(epoch);
        else if (!draining) void this.#agentSeen(epoch, alone);
      }),
      client.onConnection((status) => {
        if (status === 'disconnected') this.#lendings.eventsLost();
      }),
    );
    this.#session = await EngineSession.open({
      ...{ client, agent, clock, silentMs, holder: segment, patienceMs: this.#patienceMs, newId: newSession },
      call: { timeoutMs: callTimeoutMs ?? CALL_TIMEOUT_MS },
      setUp: (session, untilMs, isFirst) =>
        setUpMemory({ client, agent, clock, segment, path: memory.path }, session, untilMs, isFirst),
      onLost: (session) => void this.#askFor([session]),
    });
  }

  #unsubscribe(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.close();
    if (this.#options.ends === undefined) this.#ends.close();
  }

  /**
   * A heartbeat of the agent. When the process that has the name now is alone, those before it have ended. Else they may still
   * read what they had taken.
   */
  async #agentSeen(epoch: string, isAlone: boolean): Promise<void> {
    const { current } = this.#session ?? {};
    const isCurrent = (session: SessionRef) => session.id === current?.id;
    const sessions = this.#lendings.sessions();
    if (isAlone && epoch === this.#session?.latest?.epoch) {
      for (const session of sessions) if (session.epoch !== epoch) this.#lendings.processReadsNothing(session.epoch);
    }
    const isDue = (session: SessionRef) =>
      this.#slots.isShort || this.#lendings.mayMiss(session) || !isCurrent(session);
    await this.#askFor(sessions.filter((session) => session.epoch === epoch && isDue(session)));
  }

  /**
   * Release events may have been lost, a prompt waits for slots, or a session is over. Asks the agent which chunks it may still
   * read. Only batches that the agent had taken before the question can come back.
   */
  async #askFor(sessions: readonly SessionRef[]): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const { client, agent, callTimeoutMs = CALL_TIMEOUT_MS } = this.#options;
      for (const session of sessions) {
        const lent = [...this.#lendings.lentIn(session, 'taken'), ...(await this.#doubtful(session))];
        if (lent.length === 0 && !this.#isClosed) continue;
        const asked = this.#lendings.question();
        const sources = await readSources(client, agent, session.id, { timeoutMs: callTimeoutMs });
        if (sources.epoch === session.epoch) this.#lendings.keepOnly(lent, sources.batches, asked);
        // Another process answers. Its heartbeats tell when it is alone, but a closed engine has no session with it.
        else if (this.#isClosed && sources.alone) this.#lendings.processReadsNothing(session.epoch);
      }
    } catch (error) {
      // The next heartbeat is the occasion for the next attempt.
      if (!isKvferryError(error)) throw error;
    } finally {
      this.#isAsking = false;
    }
  }

  /** The batches in doubt of a session that this engine has left, once the agent executes no order of it any more. */
  async #doubtful(session: SessionRef): Promise<readonly LentBatch[]> {
    const lent = session.id === this.#session?.current?.id ? [] : this.#lendings.lentIn(session, 'doubtful');
    return lent.length > 0 && (await this.#isOver(session)) ? lent : [];
  }

  /**
   * Whether no order of the session is executed any more. The heartbeat of another process, or its answer, does not tell that: the
   * process of the session may still have orders that wait.
   */
  async #isOver({ id, epoch }: SessionRef): Promise<boolean> {
    const { client, agent, callTimeoutMs = CALL_TIMEOUT_MS } = this.#options;
    const call = { timeoutMs: callTimeoutMs };
    try {
      return (await client.end(agent, { session: id }, call)).epoch === epoch;
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      if (error.code !== 'unknown_session') return false;
    }
    // Its own process may have forgotten it.
    const answer = await client.sources(agent, { session: id }, call);
    return answer.alone && answer.epoch === epoch;
  }

  /** Waits until the agent reads no chunk of this memory, or the time is over. */
  async #unused(session: EngineSession, untilMs: number): Promise<void> {
    const { segment } = this.#options;
    for (;;) {
      const detached = await session.order('detach', { segment }, { patienceMs: CLOSE_ORDER_PATIENCE_MS });
      if (detached.executed || !isKvferryError(detached.error, 'segment_in_use') || this.#clock.now() >= untilMs)
        return;
      await pause(this.#clock, CLOSE_PAUSE_MS);
    }
  }

  /** Waits until no earlier process of the agent may read this memory, or the time is over. */
  async #readByEarlier(untilMs: number): Promise<void> {
    const isRead = () => this.#lendings.sessions().some(({ epoch }) => epoch !== this.#session?.latest?.epoch);
    while (isRead() && this.#clock.now() < untilMs) await pause(this.#clock, CLOSE_PAUSE_MS);
  }

  /** Waits until no put is under way: without its session each one fails, at the latest with its last attempt. */
  async #putsAnswered(): Promise<void> {
    const untilMs = this.#clock.now() + (this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS) + CLOSE_ORDER_PATIENCE_MS;
    const isOpen = () => this.#isAsking || this.#lendings.hasPending;
    while (isOpen() && this.#clock.now() < untilMs) await pause(this.#clock, CLOSE_PAUSE_MS);
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
