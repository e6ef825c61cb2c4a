/**
 * Work that many actors may have at the same moment, as when a connection breaks that carries a thousand writes. Each of them
 * waits for its turn: some continue at once, the others in later turns of the event loop, in the order in which they came.
 */
import type { ClockPort } from '../../ports/clock.js';
import { sleep } from './timers.js';

/** Each piece of work takes up to half a millisecond. */
const WEIGHT_PER_TURN = 16;
/** This many chunks of a piece of work count as another one. */
const CHUNKS_PER_WEIGHT = 256;

interface Waiting {
  readonly weight: number;
  readonly go: () => void;
}

export class Turns {
  readonly #clock: ClockPort;
  #waiting: Waiting[] = [];
  /** A turn that lets the next ones go is on its way. */
  #isComing = false;

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  /** Resolves when it is the turn of this work, which is about so many chunks. */
  next(chunks: number): Promise<void> {
    return new Promise((go) => {
      this.#waiting.push({ weight: weightOf(chunks), go });
      if (this.#isComing) return;
      this.#isComing = true;
      // What comes in the same moment is there by then.
      void Promise.resolve().then(() => this.#turn());
    });
  }

  /** Calls `act` for each item, in order: some of them at once, the others in later turns. Resolves after the last. */
  async each<Item>(items: Iterable<Item>, chunksOf: (item: Item) => number, act: (item: Item) => void): Promise<void> {
    let weight = 0;
    for (const item of [...items]) {
      if (weight >= WEIGHT_PER_TURN) {
        await sleep(this.#clock, 0);
        weight = 0;
      }
      weight += weightOf(chunksOf(item));
      act(item);
    }
  }

  #turn(): void {
    let weight = 0;
    let count = 0;
    while (count < this.#waiting.length && weight < WEIGHT_PER_TURN) {
      const { weight: own, go } = this.#waiting[count] as Waiting;
      weight += own;
      count += 1;
      go();
    }
    this.#waiting = this.#waiting.slice(count);
    this.#isComing = this.#waiting.length > 0;
    if (this.#isComing) this.#clock.setTimeout(() => this.#turn(), 0);
  }
}

function weightOf(chunks: number): number {
  return 1 + chunks / CHUNKS_PER_WEIGHT;
}
