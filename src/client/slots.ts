/** The parts of equal size into which an engine's memory is cut, one for each chunk. They are taken in order of asking. */
import { invalidField } from '../protocol/errors.js';

interface Waiter {
  readonly count: number;
  readonly resolve: (slots: number[]) => void;
  readonly reject: (reason: unknown) => void;
}

export class Slots {
  readonly total: number;
  readonly #free: number[];
  readonly #waiters: Waiter[] = [];

  constructor(total: number) {
    this.total = total;
    this.#free = Array.from({ length: total }, (_, slot) => slot);
  }

  get free(): number {
    return this.#free.length;
  }

  /** A caller waits for more slots than are free. */
  get isShort(): boolean {
    return this.#waiters.length > 0;
  }

  /**
   * Takes `count` slots at once, and waits until that many are free. A prompt must take all its slots in one call: two
   * prompts that each hold half of what the other one needs would wait for ever. Rejects `invalid_field` when there are
   * not that many slots at all, and with the reason of the signal.
   */
  async take(count: number, signal?: AbortSignal): Promise<number[]> {
    if (count > this.total) throw invalidField('chunks', `${count} chunks are more than the ${this.total} slots`);
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        count,
        resolve: (slots) => {
          signal?.removeEventListener('abort', abort);
          resolve(slots);
        },
        reject: (reason) => {
          signal?.removeEventListener('abort', abort);
          reject(reason);
        },
      };
      const abort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
        this.#serve();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** Gives slots back. Each slot must be given back once. */
  give(slots: readonly number[]): void {
    this.#free.push(...slots);
    this.#serve();
  }

  /** Rejects every caller that waits. */
  close(reason: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(reason);
  }

  #serve(): void {
    for (let next = this.#waiters[0]; next !== undefined; next = this.#waiters[0]) {
      if (next.count > this.#free.length) return;
      this.#waiters.shift();
      next.resolve(this.#free.splice(0, next.count).sort((a, b) => a - b));
    }
  }
}
