/**
 * The queue of requests that wait for pages, and the pages that are promised to admitted ones (P8). A request is admitted
 * once, for all its chunks: the pages that it will need are reserved. So two requests can never each hold half of what the
 * other waits for. The ranks of one request in this arena are a unit: they are admitted together (P22). The first of them
 * stands in the queue for all.
 */
import type { Holder } from './records.js';

/** New pages that the unit would take if it were admitted now (P3): chunks that are already in the arena are free. */
export function chargeOf({ unit }: Holder): number {
  return unit.reduce((sum, { totalChunks, waitingHeld }) => sum + totalChunks - waitingHeld, 0);
}

export class Admission {
  readonly #queue = new Set<Holder>();
  #reserved = 0;

  /** Available pages that are promised to admitted requests. */
  get reserved(): number {
    return this.#reserved;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Requests that wait, in the order of their first batches. */
  get queue(): ReadonlySet<Holder> {
    return this.#queue;
  }

  /** The names of the requests that wait, in order. */
  names(): string[] {
    return [...this.#queue].flatMap(({ unit }) => unit.map(({ name }) => name));
  }

  enqueue({ unit }: Holder): void {
    this.#queue.add(unit[0] as Holder);
  }

  withdraw({ unit }: Holder): void {
    this.#queue.delete(unit[0] as Holder);
  }

  /** Promises pages to a request. */
  reserve(pages: number): void {
    this.#reserved += pages;
  }

  /** Reserved pages were taken, or are not needed. */
  settle(pages: number): void {
    this.#reserved -= pages;
  }
}
