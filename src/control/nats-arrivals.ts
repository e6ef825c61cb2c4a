/**
 * The messages of one connection, in the order in which they arrive. The NATS client hands over everything that it reads from its
 * socket at once, which can be several large messages. They must not keep timers waiting, because an agent whose heartbeats are
 * late looks dead. So after a time the others wait for the next turn of the event loop.
 */

/** A turn begins no further message after this time, or after so many messages. */
const TURN_MS = 10;
const TURN_MESSAGES = 64;
/**
 * Messages that wait at most. Then the turn goes on, and NATS waits for the socket. One read of the socket has at most 64 KiB, and
 * each turn delivers a message. So only messages of less than 64 KiB can wait in such a number.
 */
const WAITING_MAX = 256;

export class Arrivals {
  #waiting: (() => void)[] = [];
  /** The first of `#waiting` that is not delivered. */
  #next = 0;
  /** Of the present turn. Undefined: it has delivered nothing. */
  #beganMs: number | undefined;
  #delivered = 0;
  #following: NodeJS.Immediate | undefined;

  /** Calls `deliver`, in this turn or in a later one. */
  add(deliver: () => void): void {
    if (this.#count === 0 && this.#hasTime()) {
      this.#deliver(deliver);
      return;
    }
    this.#waiting.push(deliver);
    if (this.#count > WAITING_MAX) this.#deliverNext();
  }

  /** Delivers everything that has arrived. */
  deliverAll(): void {
    while (this.#count > 0) this.#deliverNext();
  }

  /** Delivers nothing any more. */
  close(): void {
    clearImmediate(this.#following);
    this.#waiting = [];
    this.#next = 0;
  }

  get #count(): number {
    return this.#waiting.length - this.#next;
  }

  #hasTime(): boolean {
    if (this.#beganMs === undefined) return true;
    return this.#delivered < TURN_MESSAGES && performance.now() - this.#beganMs < TURN_MS;
  }

  #deliver(deliver: () => void): void {
    this.#beganMs ??= performance.now();
    this.#delivered += 1;
    this.#following ??= setImmediate(() => this.#turn());
    deliver();
  }

  #deliverNext(): void {
    const deliver = this.#waiting[this.#next] as () => void;
    this.#next += 1;
    if (this.#count === 0) {
      this.#waiting = [];
      this.#next = 0;
    }
    this.#deliver(deliver);
  }

  #turn(): void {
    this.#following = undefined;
    this.#beganMs = undefined;
    this.#delivered = 0;
    while (this.#count > 0 && this.#hasTime()) this.#deliverNext();
  }
}
