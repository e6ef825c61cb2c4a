/**
 * The session of an engine with its prefill agent, over restarts of the agent: opens a session, keeps it open, and opens the
 * next one when it is lost.
 */
import type { ClockPort } from '../ports/clock.js';
import type { ControlSubscription } from '../ports/control.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import type { OperationReply } from '../protocol/operations.js';
import type { CallOptions, KvferryClient, OperationInput } from './kvferry-client.js';
import { isSessionOver, type OrderedOperation, OrderSession, type Outcome } from './order-session.js';
import { pause } from './pause.js';
import { isUnanswered } from './repeated.js';
import { waitFor } from './wait-for.js';

/** Long enough for a pause of the engine's process; the agent holds the memory of a dead engine for so long. */
export const SILENT_MS = 30_000;
/** Calls that keep the session open, during one silence. */
const RENEWALS = 4;
/** Between two attempts to open a session. */
const OPEN_PAUSE_MS = 200;
/** Before an order is sent in the next session. */
const AGAIN_PAUSE_MS = 50;
const OPEN_REFUSED_PAUSE_MS = 1000;
/** For the first orders of a session. */
const SET_UP_MS = 10_000;
/** For chunks that the agent still reads when the session ends. */
const END_PATIENCE_MS = 5_000;
const END_PAUSE_MS = 50;

export interface EngineSessionOptions {
  readonly client: KvferryClient;
  readonly agent: string;
  /** Name of the engine, for people. */
  readonly holder: string;
  readonly clock: ClockPort;
  readonly call: CallOptions;
  /** How long the agent or an answer may be away before a call is given up. Milliseconds. */
  readonly patienceMs: number;
  /** The agent ends the session after this silence. Default: 30 s. */
  readonly silentMs?: number | undefined;
  /** Makes 16 random hexadecimal digits. */
  readonly newId?: (() => string) | undefined;
  /** Sends the first orders of each session, until that time. `isFirst`: it is the first session of this engine. */
  readonly setUp?: (session: OrderSession, untilMs: number, isFirst: boolean) => Promise<void>;
  /** A session is over. The next one is being opened. */
  readonly onLost?: (session: OrderSession) => void;
}

/** A session and the process that has opened it. */
export interface SessionRef {
  readonly id: string;
  readonly epoch: string;
}

export interface OrderOptions {
  readonly call?: CallOptions | undefined;
  /** Only this session may execute the order: it goes on with something that was begun there. */
  readonly only?: SessionRef | undefined;
  /** Default: that of the session. Milliseconds. */
  readonly patienceMs?: number | undefined;
  /** Called before each attempt to have the order executed. */
  readonly onSending?: ((session: SessionRef) => void) | undefined;
}

export class EngineSession {
  readonly #options: EngineSessionOptions;
  readonly #subscriptions: readonly ControlSubscription[];
  #current: OrderSession | undefined;
  /** The last session, which `end` ends. */
  #ending: OrderSession | undefined;
  /** The process that had the name before that of the current session. */
  #formerEpoch: string | undefined;
  #opening: Promise<OrderSession> | undefined;
  #renewal: unknown;
  /** Why the last attempt to open a session failed. */
  #openFailure: KvferryError | undefined;
  #isClosed = false;

  private constructor(options: EngineSessionOptions) {
    this.#options = options;
    const { client, agent } = options;
    this.#subscriptions = [
      client.onHeartbeat(agent, ({ epoch, draining }) => {
        // A process that drains, or had the name before, may still be heard.
        if (draining || epoch === this.#formerEpoch) return;
        if (this.#current !== undefined && this.#current.epoch !== epoch) this.#current.lose();
      }),
      client.onClose(() => this.#close()),
    ];
  }

  /** Bytes that the body of a message may have at most. */
  get messageBytesMax(): number {
    return this.#options.client.messageBytesMax;
  }

  /** Rejects with the agent's refusal, and `no_responders` or as the client does when the patience is over. */
  static async open(options: EngineSessionOptions): Promise<EngineSession> {
    const session = new EngineSession(options);
    const { client, clock, patienceMs } = options;
    try {
      await client.flush();
      session.#current = await session.#open(true, clock.now() + patienceMs);
      session.#renewLater();
      return session;
    } catch (error) {
      session.#close();
      throw error;
    }
  }

  /** The prefill agent. */
  get agent(): string {
    return this.#options.agent;
  }

  /** The session that orders go to. Undefined while it is being opened. */
  get current(): SessionRef | undefined {
    return this.#current;
  }

  /** The session that takes orders, or took the last ones before `end`. Undefined while another one is being opened. */
  get latest(): SessionRef | undefined {
    return this.#current ?? this.#ending;
  }

  /** Has one order executed: in this session, or in the next one when this session is lost before the agent executed it. */
  async order<O extends OrderedOperation>(
    operation: O,
    input: OperationInput<O>,
    options: OrderOptions = {},
  ): Promise<Outcome<OperationReply<O>>> {
    const { clock, agent } = this.#options;
    const untilMs = clock.now() + (options.patienceMs ?? this.#options.patienceMs);
    for (;;) {
      let session: OrderSession;
      try {
        session = await this.#ready(untilMs);
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        return { executed: false, error };
      }
      const { only } = options;
      if (only !== undefined && only.id !== session.id)
        return { executed: false, error: overSince(agent, only, session) };
      options.onSending?.(session);
      const outcome = await session.send(operation, input, { untilMs, call: options.call });
      if (outcome.executed || outcome.doubt !== undefined) return outcome;
      // An answer of the agent counts. Without one, the agent that gives its name up has not received the order.
      if (!session.isLost || !isPassing(outcome.error)) return outcome;
      if (clock.now() >= untilMs && only === undefined) return outcome;
      await pause(clock, AGAIN_PAUSE_MS);
    }
  }

  /**
   * Ends the session: its requests in progress are cancelled, its memory is given back. Rejects `segment_in_use` when the
   * agent still reads chunks 5 s later. Resolves to whether the agent has answered that it reads nothing: an agent that is away,
   * or a next process of it, does not know that. Called again, it asks again.
   */
  async end(): Promise<boolean> {
    const session = this.#current ?? this.#ending;
    this.#ending = session;
    this.#close();
    if (session === undefined || session.isLost) return false;
    const { client, agent, clock, call } = this.#options;
    const untilMs = clock.now() + END_PATIENCE_MS;
    for (;;) {
      try {
        const { chunksInUse } = await client.end(agent, { session: session.id }, call);
        if (chunksInUse === 0) return true;
        if (clock.now() >= untilMs) {
          throw new KvferryError('segment_in_use', `agent ${agent} still reads ${chunksInUse} chunks of this engine`);
        }
      } catch (error) {
        if (isKvferryError(error, 'unknown_session', 'no_responders', 'closed')) return false;
        if (!isKvferryError(error, 'deadline_exceeded', 'disconnected', 'publication_refused')) throw error;
        if (clock.now() >= untilMs) return false;
      }
      await pause(clock, END_PAUSE_MS);
    }
  }

  async #ready(untilMs: number): Promise<OrderSession> {
    if (this.#isClosed) throw this.#closedError();
    const { clock, agent } = this.#options;
    if (this.#current?.isLost === false) return this.#current;
    this.#opening ??= this.#openAgain();
    const late = `agent ${agent} has not opened a session in time`;
    try {
      return await waitFor(this.#opening, late, clock, { timeoutMs: Math.max(0, untilMs - clock.now()) });
    } catch (error) {
      throw this.#openFailure ?? error;
    }
  }

  /** Does not give up: an agent may be away for long. */
  async #openAgain(): Promise<OrderSession> {
    const session = await this.#open(false, Number.POSITIVE_INFINITY);
    this.#opening = undefined;
    this.#openFailure = undefined;
    if (!session.isLost) this.#current = session;
    return session;
  }

  async #open(isFirst: boolean, untilMs: number): Promise<OrderSession> {
    const { client, agent, holder, clock, call, silentMs = SILENT_MS, newId = randomId, setUp } = this.#options;
    for (let id = newId(); !this.#isClosed; ) {
      let isOpen = false;
      try {
        const { epoch } = await client.open(agent, { session: id, holder, silentMs }, call);
        isOpen = true;
        const onLost = () => this.#lost(session);
        const session: OrderSession = new OrderSession({ client, agent, clock, id, epoch, call, onLost });
        await setUp?.(session, Math.min(untilMs, clock.now() + SET_UP_MS), isFirst);
        // The engine may have closed meanwhile: nothing that waits for this session may be sent any more.
        if (this.#isClosed) throw this.#closedError();
        return session;
      } catch (error) {
        // A session whose first orders failed, or whose engine has closed, is not used.
        if (isOpen) void client.end(agent, { session: id }, call).catch(() => undefined);
        if (!isKvferryError(error) || isKvferryError(error, 'closed')) throw error;
        if (isOpen || isSessionOver(error)) id = newId();
        if (clock.now() >= untilMs || (isFirst && !isPassing(error))) throw error;
        this.#openFailure = error;
        await pause(clock, isPassing(error) ? OPEN_PAUSE_MS : OPEN_REFUSED_PAUSE_MS);
      }
    }
    throw this.#closedError();
  }

  #lost(session: OrderSession): void {
    if (this.#current !== session || this.#isClosed) return;
    this.#current = undefined;
    this.#formerEpoch = session.epoch;
    this.#options.onLost?.(session);
    if (this.#opening !== undefined) return;
    this.#opening = this.#openAgain();
    // It rejects only when the engine is closed.
    this.#opening.catch(() => undefined);
  }

  #renewLater(): void {
    const { client, agent, clock, call, silentMs = SILENT_MS } = this.#options;
    const renew = async (session: OrderSession) => {
      try {
        await client.renew(agent, { session: session.id }, call);
      } catch (error) {
        // Any other failure: the next renewal follows.
        if (isSessionOver(error)) session.lose();
      }
    };
    this.#renewal = clock.setTimeout(() => {
      if (this.#current !== undefined) void renew(this.#current);
      this.#renewLater();
    }, silentMs / RENEWALS);
  }

  #close(): void {
    this.#isClosed = true;
    this.#options.clock.clearTimeout(this.#renewal);
    for (const subscription of this.#subscriptions) subscription.close();
    this.#current?.close();
    this.#current = undefined;
  }

  #closedError(): KvferryError {
    return new KvferryError(
      'closed',
      `the session of ${this.#options.holder} with agent ${this.#options.agent} is closed`,
    );
  }
}

/** No answer came, the agent is away, or was restarted just now. */
function isPassing(error: KvferryError): boolean {
  return isSessionOver(error) || isUnanswered(error);
}

/** Why what was begun in one session cannot go on in another one. */
function overSince(agent: string, began: SessionRef, now: SessionRef): KvferryError {
  if (began.epoch === now.epoch) {
    return new KvferryError(
      'session_ended',
      `agent ${agent} has ended the session of this request: use another request id`,
    );
  }
  return new KvferryError(
    'sender_lost',
    `agent ${agent} was restarted since the request began: use another request id`,
  );
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
