/**
 * The messages of one connection, in the order in which they arrive. The NATS client hands over everything that it reads from its
 * socket at once, which can be several large messages. They must not keep timers waiting, because an agent whose heartbeats are
 * late looks dead. So after a time the others wait for the next turn of the event loop. The loop runs timers, then reads sockets, then
 * runs immediates: what comes from the socket and what an immediate delivers after it are one turn.
 */

/** A turn begins no further message after this time, or after so many messages. */
const TURN_MS = 5;
const TURN_MESSAGES = 64;
/**
 * When more messages wait, the socket is not read until half of them are delivered. One read of the socket has at most 64 KiB, and
 * the socket may have read twice by then: so many small messages wait at most. Without a pause one turn of the event loop reads and
 * delivers up to 2 MiB of them.
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
  readonly #stopReading: () => (() => void) | undefined;
  /** While the socket is not read. */
  #readAgain: (() => void) | undefined;

  /** `stopReading`: stops reading the socket until its result is called, or returns undefined when that cannot be done. */
  constructor(stopReading: () => (() => void) | undefined = () => undefined) {
    this.#stopReading = stopReading;
  }

  /** Calls `deliver`, in this turn or in a later one. */
  add(deliver: () => void): void {
    if (this.#count === 0 && this.#hasTime()) {
      this.#deliver(deliver);
      return;
    }
    this.#waiting.push(deliver);
    if (this.#count <= WAITING_MAX) return;
    this.#readAgain ??= this.#stopReading();
    // Then the turn goes on, and NATS waits for the socket.
    if (this.#readAgain === undefined) this.#deliverNext();
  }

  /** Delivers everything that has arrived. */
  deliverAll(): void {
    while (this.#count > 0) this.#deliverNext();
    this.#readOn();
  }

  /** Delivers nothing any more. */
  close(): void {
    clearImmediate(this.#following);
    this.#waiting = [];
    this.#next = 0;
    this.#readOn();
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
    this.#follow();
    deliver();
  }

  #follow(): void {
    this.#following ??= setImmediate(() => this.#endTurn());
  }

  #deliverNext(): void {
    const deliver = this.#waiting[this.#next] as () => void;
    this.#next += 1;
    // A list that is never empty must not keep what was delivered.
    if (this.#count === 0 || this.#next > WAITING_MAX) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    this.#deliver(deliver);
  }

  /** Delivers what this turn has time for. Timers run before the next turn begins. */
  #endTurn(): void {
    while (this.#count > 0 && this.#hasTime()) this.#deliverNext();
    this.#following = undefined;
    this.#beganMs = undefined;
    this.#delivered = 0;
    if (this.#count > 0) this.#follow();
    if (this.#count <= WAITING_MAX / 2) this.#readOn();
  }

  #readOn(): void {
    const readAgain = this.#readAgain;
    this.#readAgain = undefined;
    readAgain?.();
  }
}
