/**
 * The queue of requests that wait for pages, and the pages that are promised to admitted ones (P8). A request is admitted
 * once, for all its chunks: the pages that it will need are reserved. So two requests can never each hold half of what the
 * other waits for.
 *
 * The queue is in order of arrival. Two kinds of requests are looked at: the first of the queue, and those that have become
 * free of charge. A request whose sender has no valid remote key cannot write. It *steps aside* when it is looked at, so the
 * others do not wait for it. It has its turn back with the next remote key of its sender.
 */
import type { Holder } from './records.js';

/** New pages that the request would take if it were admitted now (P3): chunks that are already in the arena are free. */
export function chargeOf({ totalChunks, waitingHeld }: Holder): number {
  return totalChunks - waitingHeld;
}

/** The turn of a request that does not wait. */
export const NO_TURN = 0;

export class Admission {
  /** Requests that wait, by the epoch of their sender. */
  readonly #waiting = new Map<string, Set<Holder>>();
  /** Those that have not stepped aside, in order. */
  #line = new Set<Holder>();
  /** Those of the line that need no new page, in the order in which that became so. */
  readonly #freeOfCharge = new Set<Holder>();
  #count = 0;
  #lastTurn = NO_TURN;
  #reserved = 0;

  /** Available pages that are promised to admitted requests. */
  get reserved(): number {
    return this.#reserved;
  }

  /** The number of requests that wait. */
  get waiting(): number {
    return this.#count;
  }

  /** The requests that wait, in order. Takes time in proportion to their number. */
  inOrder(): Holder[] {
    return [...this.#waiting.values()].flatMap((holders) => [...holders]).sort((one, other) => one.turn - other.turn);
  }

  /** How many requests wait before this one. Takes time in proportion to the number of those that wait. */
  before({ turn }: Holder): number {
    let before = 0;
    for (const holders of this.#waiting.values()) for (const holder of holders) if (holder.turn < turn) before += 1;
    return before;
  }

  /** The request is the last of the queue from now on, unless it waits already. */
  enqueue(holder: Holder): void {
    if (holder.turn !== NO_TURN) return;
    this.#lastTurn += 1;
    holder.turn = this.#lastTurn;
    this.#count += 1;
    const { epoch } = holder.id;
    const others = this.#waiting.get(epoch);
    if (others === undefined) this.#waiting.set(epoch, new Set([holder]));
    else others.add(holder);
    this.#line.add(holder);
    this.recharged(holder);
  }

  withdraw(holder: Holder): void {
    if (holder.turn === NO_TURN) return;
    holder.turn = NO_TURN;
    this.#count -= 1;
    this.#stepAside(holder);
    const { epoch } = holder.id;
    const others = this.#waiting.get(epoch);
    others?.delete(holder);
    if (others?.size === 0) this.#waiting.delete(epoch);
  }

  /** The charge of a request that waits has changed. */
  recharged(holder: Holder): void {
    if (this.#line.has(holder) && chargeOf(holder) === 0) this.#freeOfCharge.add(holder);
    else this.#freeOfCharge.delete(holder);
  }

  /** This sender can write again: its requests that stepped aside have their turns back. */
  resume(epoch: string): void {
    const returning = [...(this.#waiting.get(epoch) ?? [])].filter((holder) => !this.#line.has(holder));
    if (returning.length === 0) return;
    this.#line = new Set(merged([...this.#line], returning));
    for (const holder of returning) this.recharged(holder);
  }

  /**
   * The next request to admit: the first of the queue, if it fits into `pages`, or else one that needs no new page. It takes
   * nothing from those before it. Requests that cannot write step aside.
   */
  next(pages: number, canWrite: (holder: Holder) => boolean): Holder | undefined {
    const head = this.#first(this.#line, canWrite);
    if (head !== undefined && chargeOf(head) <= pages) return head;
    return this.#first(this.#freeOfCharge, canWrite);
  }

  /** Promises pages to a request. */
  reserve(pages: number): void {
    this.#reserved += pages;
  }

  /** Reserved pages were taken, or are not needed. */
  settle(pages: number): void {
    this.#reserved -= pages;
  }

  #first(holders: ReadonlySet<Holder>, canWrite: (holder: Holder) => boolean): Holder | undefined {
    for (const holder of holders) {
      if (canWrite(holder)) return holder;
      this.#stepAside(holder);
    }
    return undefined;
  }

  #stepAside(holder: Holder): void {
    this.#line.delete(holder);
    this.#freeOfCharge.delete(holder);
  }
}

/** Two lists in order of turns, as one. */
function merged(line: readonly Holder[], returning: readonly Holder[]): Holder[] {
  const all: Holder[] = [];
  let next = 0;
  for (const holder of line) {
    for (; (returning[next]?.turn ?? holder.turn) < holder.turn; next += 1) all.push(returning[next] as Holder);
    all.push(holder);
  }
  return [...all, ...returning.slice(next)];
}
