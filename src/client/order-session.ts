/**
 * One session with one process of a prefill agent: numbers its orders, repeats an order under its number when no answer came,
 * and finds out what became of an order that it gave up (docs/guide/sessions.md).
 */
import type { ClockPort } from '../ports/clock.js';
import { ReplyError } from '../protocol/codec.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import type { OperationReply } from '../protocol/operations.js';
import type { CallOptions, KvferryClient, OperationInput } from './kvferry-client.js';
import { pause } from './pause.js';
import { isUnanswered } from './repeated.js';

/** Between two attempts. */
const PAUSE_MS = 50;
/** Between two attempts to find out what became of an order. */
const SETTLE_PAUSE_MS = 500;
/** Unanswered orders of one session. The agent lets no more of them wait. */
const UNANSWERED_MAX = 32;

export type OrderedOperation = 'put' | 'cancel' | 'attach' | 'detach' | 'stage' | 'unstage';

/**
 * What became of an order that was given up. `lost`: not known, and `sources` tells what is left of it. Without its session, its
 * process may still execute it.
 */
export type Settled<R> =
  | { readonly state: 'executed'; readonly reply: R }
  | { readonly state: 'never' }
  | { readonly state: 'lost' };

export type Outcome<R> =
  | { readonly executed: true; readonly reply: R }
  | {
      readonly executed: false;
      readonly error: KvferryError;
      /** Present when the agent may have executed the order all the same, or may still: resolves when that is known. */
      readonly doubt?: Promise<Settled<R>>;
    };

export interface OrderSessionOptions {
  readonly client: KvferryClient;
  readonly agent: string;
  readonly clock: ClockPort;
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** The process that has opened the session. */
  readonly epoch: string;
  readonly call: CallOptions;
  /** The session is over: ended, silent, or its process is gone. Called once. */
  readonly onLost: () => void;
}

export interface SendOptions {
  /** Until when attempts are made, by the clock. */
  readonly untilMs: number;
  readonly call?: CallOptions | undefined;
}

export class OrderSession {
  readonly id: string;
  readonly epoch: string;
  readonly #options: OrderSessionOptions;
  #next = 0;
  #unanswered = 0;
  #isLost = false;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(options: OrderSessionOptions) {
    this.id = options.id;
    this.epoch = options.epoch;
    this.#options = options;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** This session takes no order from now on. */
  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#options.onLost();
  }

  /** Asks no more what became of orders. */
  close(): void {
    this.#isClosed = true;
  }

  /** Sends one order. Its number is free for others only when it is known that the order was not executed. */
  async send<O extends OrderedOperation>(
    operation: O,
    input: OperationInput<O>,
    options: SendOptions,
  ): Promise<Outcome<OperationReply<O>>> {
    await this.#turn();
    try {
      return await new Order(this, this.#options, operation, input, options).outcome();
    } finally {
      this.#unanswered -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** For the orders of this session. */
  takeNumber(): number {
    this.#next += 1;
    return this.#next - 1;
  }

  /** For the orders of this session: asks until it is known whether that number was executed. */
  async bar(number: number): Promise<'executed' | 'never' | 'lost'> {
    const { client, agent, call, clock } = this.#options;
    while (!this.#isLost && !this.#isClosed) {
      try {
        const { barred } = await client.barrier(agent, { session: this.id, order: number + 1 }, call);
        return barred.includes(number) ? 'never' : 'executed';
      } catch (error) {
        if (isSessionOver(error)) this.lose();
        else if (!isKvferryError(error)) throw error;
        else if (isKvferryError(error, 'closed')) return 'lost';
        else await pause(clock, SETTLE_PAUSE_MS);
      }
    }
    return 'lost';
  }

  async #turn(): Promise<void> {
    if (this.#unanswered >= UNANSWERED_MAX) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    this.#unanswered += 1;
  }
}

class Order<O extends OrderedOperation> {
  readonly #session: OrderSession;
  readonly #options: OrderSessionOptions;
  readonly #operation: O;
  readonly #input: OperationInput<O>;
  readonly #send: SendOptions;
  #number: number;
  /** The agent may have executed it. */
  #mayBeExecuted = false;

  constructor(
    session: OrderSession,
    options: OrderSessionOptions,
    operation: O,
    input: OperationInput<O>,
    send: SendOptions,
  ) {
    this.#session = session;
    this.#options = options;
    this.#operation = operation;
    this.#input = input;
    this.#send = send;
    this.#number = session.takeNumber();
  }

  async outcome(): Promise<Outcome<OperationReply<O>>> {
    const { clock } = this.#options;
    for (;;) {
      try {
        return { executed: true, reply: await this.#attempt() };
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        if (isSessionOver(error)) return this.#over(error);
        if (isKvferryError(error, 'order_forgotten')) return this.#forgotten(error);
        if (isAnswer(error)) return this.#refused(error);
        if (!isPassing(error) || clock.now() >= this.#send.untilMs || this.#session.isLost) return this.#givenUp(error);
      }
      await pause(clock, PAUSE_MS);
    }
  }

  async #attempt(): Promise<OperationReply<O>> {
    const { client, agent, call } = this.#options;
    const order = { ...this.#input, session: this.#session.id, order: this.#number };
    // While NATS is away the message is refused here, and no agent can execute it.
    const isSent = client.isConnected;
    try {
      return await client.call(agent, this.#operation, order, this.#send.call ?? call);
    } catch (error) {
      if (isKvferryError(error, 'order_barred')) {
        this.#number = this.#session.takeNumber();
        this.#mayBeExecuted = false;
      } else if (
        isSent &&
        !(error instanceof ReplyError) &&
        !isKvferryError(error, 'no_responders', 'message_too_large')
      ) {
        this.#mayBeExecuted = true;
      }
      throw error;
    }
  }

  #over(error: KvferryError): Outcome<OperationReply<O>> {
    this.#session.lose();
    if (!this.#mayBeExecuted) return { executed: false, error };
    return { executed: false, error: this.#lostBy(error), doubt: Promise.resolve({ state: 'lost' }) };
  }

  /** Why an order failed that was sent, and whose session was lost before it was answered. */
  #lostBy(error: KvferryError): KvferryError {
    if (isKvferryError(error, 'session_ended')) return error;
    const { agent } = this.#options;
    return new KvferryError('sender_lost', `agent ${agent} was restarted before it answered: use another request id`, {
      cause: error,
    });
  }

  /** The agent has executed an earlier copy, and does not remember with which result. */
  #forgotten(error: KvferryError): Outcome<OperationReply<O>> {
    return { executed: false, error, doubt: Promise.resolve({ state: 'lost' }) };
  }

  /** The agent may have refused the message without taking its number, which would stop every later order. */
  #refused(error: KvferryError): Outcome<OperationReply<O>> {
    void this.#session.bar(this.#number).catch(() => this.#session.lose());
    return { executed: false, error };
  }

  #givenUp(error: KvferryError): Outcome<OperationReply<O>> {
    const settled = this.#settled();
    // Without doubt nobody waits for it: it only frees the number.
    settled.catch(() => this.#session.lose());
    return this.#mayBeExecuted ? { executed: false, error, doubt: settled } : { executed: false, error };
  }

  async #settled(): Promise<Settled<OperationReply<O>>> {
    const { clock } = this.#options;
    for (;;) {
      try {
        const state = await this.#session.bar(this.#number);
        if (state !== 'executed') return { state };
        // The agent remembers its answer.
        return { state, reply: await this.#attempt() };
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        if (isSessionOver(error)) this.#session.lose();
        else if (isKvferryError(error, 'order_forgotten', 'closed')) return { state: 'lost' };
        else if (isAnswer(error)) return { state: 'never' };
      }
      await pause(clock, SETTLE_PAUSE_MS);
    }
  }
}

export function isSessionOver(error: unknown): error is KvferryError {
  return isKvferryError(error, 'unknown_session', 'session_ended');
}

/** The answer of the agent to this order, and not to its number: the order is executed, or refused for good. */
function isAnswer(error: KvferryError): boolean {
  return error instanceof ReplyError && !isOfNumber(error);
}

/** No answer came, or the number is open. An agent may answer `disconnected` too, and answers that again to the same number. */
function isPassing(error: KvferryError): boolean {
  return isOfNumber(error) || (!(error instanceof ReplyError) && isUnanswered(error));
}

/** Orders before this one are missing, or too many wait. */
function isOfNumber(error: KvferryError): boolean {
  return isKvferryError(error, 'order_out_of_turn', 'order_barred', 'too_many_orders');
}
