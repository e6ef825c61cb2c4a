/**
 * The queue of requests that wait for pages, and the pages that are promised to admitted ones (P8). A request is admitted
 * once, for all its chunks: the pages that it will need are reserved. So two requests can never each hold half of what the
 * other waits for.
 *
 * The queue is in order of arrival. Two kinds of requests are looked at: the first of the queue, and those that have become
 * free of charge. A request whose sender has no valid remote key cannot write. It *steps aside* when it is looked at, so the
 * others do not wait for it. It has its turn back with the next remote key of its sender.
 *
 * The ranks of one request in this arena are a *unit*: they are admitted together (P22). The first of them stands in the queue
 * for all. A rank whose turn has not come is `held`: it stands in no queue.
 */
import type { Holder } from './records.js';

/** New pages that the unit would take if it were admitted now (P3): chunks that are already in the arena are free. */
export function chargeOf({ unit }: Holder, heldFor = ({ waitingHeld }: Holder) => waitingHeld): number {
  return unit.reduce((sum, holder) => sum + holder.totalChunks - heldFor(holder), 0);
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
    const waiting = new Set([...this.#waiting.values()].flatMap((holders) => [...holders]));
    return [...waiting].sort((one, other) => one.turn - other.turn).flatMap(({ unit }) => unit);
  }

  /** How many requests wait before this one. Takes time in proportion to the number of those that wait. */
  before({ turn }: Holder): number {
    const before = new Set<Holder>();
    for (const holders of this.#waiting.values()) {
      for (const holder of holders) if (holder.turn < turn) before.add(holder);
    }
    return before.size;
  }

  /** The unit is the last of the queue from now on, unless it waits already. */
  enqueue({ unit, turn }: Holder): void {
    if (turn !== NO_TURN) return;
    const first = unit[0] as Holder;
    this.#lastTurn += 1;
    this.#count += 1;
    for (const holder of unit) {
      holder.turn = this.#lastTurn;
      const { epoch } = holder.id;
      const others = this.#waiting.get(epoch);
      if (others === undefined) this.#waiting.set(epoch, new Set([first]));
      else others.add(first);
    }
    this.#line.add(first);
    this.recharged(first);
  }

  withdraw({ unit, turn }: Holder): void {
    if (turn === NO_TURN) return;
    const first = unit[0] as Holder;
    this.#count -= 1;
    this.#stepAside(first);
    for (const holder of unit) {
      holder.turn = NO_TURN;
      const { epoch } = holder.id;
      const others = this.#waiting.get(epoch);
      others?.delete(first);
      if (others?.size === 0) this.#waiting.delete(epoch);
    }
  }

  /** The charge of a request that waits has changed. */
  recharged({ unit }: Holder): void {
    const holder = unit[0] as Holder;
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
   * The first request of the next unit to admit: of the first in the queue, if it fits into `pages`, or else of one that needs
   * no new page. It takes nothing from those before it. Requests that cannot write step aside.
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
      if (holder.unit.every(canWrite)) return holder;
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
