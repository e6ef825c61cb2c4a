/**
 * One session of an engine: executes its orders one after the other, in the order of their numbers, each at most once, and
 * remembers the answers, so that a repeated order gets the answer of the first one.
 */
import { KvferryError } from '../../protocol/errors.js';
import { ORDERS_REMEMBERED_MAX } from '../../protocol/limits.js';
import { fingerprint } from './fingerprint.js';

/** Orders that wait for those before them. */
const ORDERS_WAITING_MAX = 64;
/** Copies of orders that wait for the answer. */
const COPIES_WAITING_MAX = 256;
/** Answers that one session keeps, as JSON. */
const ANSWERS_BYTES_MAX = 1024 * 1024;

interface Executed {
  /** Of the content of the order. */
  readonly print: number;
  /** Rejects when the order was refused. */
  readonly answer: Promise<object>;
  /** Size of the answer; undefined until it is known. */
  bytes: number | undefined;
}

export interface SessionPlan {
  readonly id: string;
  /** Name of the engine. */
  readonly holder: string;
  /** The session ends after this silence. */
  readonly silentMs: number;
}

export class Session {
  readonly id: string;
  readonly holder: string;
  readonly silentMs: number;
  /** When its last message arrived, on the agent's clock. */
  heardMs: number;
  endedMs: number | undefined;
  #next = 0;
  #waiting = 0;
  #copies = 0;
  /** The order that was taken last, and everything before it. */
  #tail: Promise<unknown> = Promise.resolve();
  /** The last orders, oldest first. */
  readonly #orders = new Map<number, Executed | 'barred'>();
  #answersBytes = 0;

  constructor({ id, holder, silentMs }: SessionPlan, nowMs: number) {
    this.id = id;
    this.holder = holder;
    this.silentMs = silentMs;
    this.heardMs = nowMs;
  }

  get isOpen(): boolean {
    return this.endedMs === undefined;
  }

  /** Number of the order that is expected next. */
  get next(): number {
    return this.#next;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Throws `session_ended`. */
  requireOpen(): void {
    if (this.isOpen) return;
    const message = `session ${this.id} of ${this.holder} has ended: open another one`;
    throw new KvferryError('session_ended', message, { field: 'session' });
  }

  /**
   * Executes an order in its turn. `begin` is called at once; when it throws, the number is not taken. What it returns is
   * called when every order before it is done. A number that was taken before gets the answer of that time.
   */
  order<T extends object>(number: number, content: string, begin: () => () => T | Promise<T>): Promise<T> {
    this.requireOpen();
    const print = fingerprint(content);
    if (number < this.#next) return this.#before(number, print) as Promise<T>;
    if (number > this.#next) throw this.#outOfTurn(number);
    if (this.#waiting >= ORDERS_WAITING_MAX) throw this.#tooMany(this.#waiting, 'orders', number);
    const execute = begin();
    this.#next += 1;
    this.#waiting += 1;
    const answer = this.#tail.then(() => {
      this.requireOpen();
      return execute();
    });
    const order: Executed = { print, answer, bytes: undefined };
    this.#orders.set(number, order);
    this.#tail = answer.then(
      (reply) => this.#done(order, JSON.stringify(reply).length),
      (error: unknown) => this.#done(order, String(error).length),
    );
    return answer;
  }

  /** Resolves when every order below `number` is executed, with the numbers of those that are not and never will be. */
  async barrier(number: number): Promise<number[]> {
    this.requireOpen();
    if (number > this.#next + ORDERS_REMEMBERED_MAX) throw this.#outOfTurn(number);
    for (; this.#next < number; this.#next += 1) this.#orders.set(this.#next, 'barred');
    this.#trim();
    await this.#tail;
    return [...this.#orders].filter(([order, what]) => what === 'barred' && order < number).map(([order]) => order);
  }

  /** Executes no further order. Resolves when the one in progress is done. */
  async end(nowMs: number): Promise<void> {
    this.endedMs ??= nowMs;
    await this.#tail;
    this.#orders.clear();
  }

  #before(number: number, print: number): Promise<object> {
    const order = this.#orders.get(number);
    if (order === undefined) {
      const message = `the answer to order ${number} of session ${this.id} is forgotten: it was executed once`;
      throw new KvferryError('order_forgotten', message, { field: 'order' });
    }
    if (order === 'barred') {
      const message = `order ${number} of session ${this.id} came after a barrier: give it the next free number`;
      throw new KvferryError('order_barred', message, { field: 'order' });
    }
    if (order.print !== print) {
      const message = `order ${number} of session ${this.id} had another content: give each order a number of its own`;
      throw new KvferryError('order_reused', message, { field: 'order' });
    }
    return order.bytes === undefined ? this.#copyOf(order, number) : order.answer;
  }

  /** Of an order without an answer yet. */
  async #copyOf({ answer }: Executed, number: number): Promise<object> {
    if (this.#copies >= COPIES_WAITING_MAX) throw this.#tooMany(this.#copies, 'copies of orders', number);
    this.#copies += 1;
    try {
      return await answer;
    } finally {
      this.#copies -= 1;
    }
  }

  #tooMany(count: number, what: string, number: number): KvferryError {
    const message = `session ${this.id} has ${count} ${what} waiting: send order ${number} again later`;
    return new KvferryError('too_many_orders', message, { field: 'order' });
  }

  #outOfTurn(number: number): KvferryError {
    const message = `session ${this.id} expects order ${this.#next}, not ${number}: send the orders between them again`;
    return new KvferryError('order_out_of_turn', message, { field: 'order', details: { order: this.#next } });
  }

  #done(order: Executed, bytes: number): void {
    this.#waiting -= 1;
    order.bytes = bytes;
    this.#answersBytes += bytes;
    this.#trim();
  }

  /** Forgets the oldest orders. The last one that was executed stays. */
  #trim(): void {
    for (const [number, order] of this.#orders) {
      const isFull = this.#orders.size > ORDERS_REMEMBERED_MAX || this.#answersBytes > ANSWERS_BYTES_MAX;
      if (!isFull || this.#orders.size === 1) return;
      if (order !== 'barred') {
        if (order.bytes === undefined) return;
        this.#answersBytes -= order.bytes;
      }
      this.#orders.delete(number);
    }
  }
}
