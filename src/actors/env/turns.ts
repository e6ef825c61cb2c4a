/**
 * Work that many actors may have at the same moment, as when a connection breaks that carries a thousand writes. Each of them
 * waits for its turn: some continue at once, the others in later turns of the event loop, in the order in which they came. All
 * such work of an agent waits in one line, whatever its cause.
 */
import type { ClockPort } from '../../ports/clock.js';

/** Each piece of work takes up to half a millisecond, and a few times as long when its code has not run for a while. */
const WEIGHT_PER_TURN = 8;
/** This many chunks of a piece of work count as another one. */
const CHUNKS_PER_WEIGHT = 256;

interface Waiting {
  readonly weight: number;
  readonly go: () => void;
}

export class Turns {
  readonly #clock: ClockPort;
  #waiting: Waiting[] = [];
  /** The first of `#waiting` that has not had its turn. */
  #next = 0;
  /** A turn that lets the next ones go is on its way. */
  #isComing = false;

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  /** Calls `go` when it is the turn of this work, which is about so many chunks. */
  run(chunks: number, go: () => void): void {
    this.#waiting.push({ weight: 1 + chunks / CHUNKS_PER_WEIGHT, go });
    if (this.#isComing) return;
    this.#isComing = true;
    // What comes in the same moment is there by then.
    void Promise.resolve().then(() => this.#turn());
  }

  /** Resolves when it is the turn of this work. */
  next(chunks: number): Promise<void> {
    return new Promise((go) => this.run(chunks, go));
  }

  /** Calls `act` for each item, in order. Resolves after the last. */
  each<Item>(items: Iterable<Item>, chunksOf: (item: Item) => number, act: (item: Item) => void): Promise<void> {
    for (const item of items) this.run(chunksOf(item), () => act(item));
    return this.next(0);
  }

  #turn(): void {
    let weight = 0;
    while (this.#next < this.#waiting.length && weight < WEIGHT_PER_TURN) {
      const { weight: own, go } = this.#waiting[this.#next] as Waiting;
      weight += own;
      this.#next += 1;
      go();
    }
    this.#isComing = this.#next < this.#waiting.length;
    if (this.#isComing) {
      this.#clock.setTimeout(() => this.#turn(), 0);
      return;
    }
    this.#waiting = [];
    this.#next = 0;
  }
}
