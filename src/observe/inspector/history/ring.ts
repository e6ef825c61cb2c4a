/** A ring of the newest items, oldest first. */
export class Ring<T> {
  readonly #max: number;
  /** Item number n is at n modulo `#max`. */
  readonly #items: T[] = [];
  #first = 0;
  #end = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get first(): T | undefined {
    return this.#first === this.#end ? undefined : this.#items[this.#first % this.#max];
  }

  get last(): T | undefined {
    return this.#end === 0 ? undefined : this.#items[(this.#end - 1) % this.#max];
  }

  /** Returns the dropped item. */
  push(item: T): T | undefined {
    const dropped = this.#end - this.#first === this.#max ? this.first : undefined;
    if (dropped !== undefined) this.#first += 1;
    this.#items[this.#end % this.#max] = item;
    this.#end += 1;
    return dropped;
  }

  /** Drops the oldest until there are at most `count`. */
  limit(count: number): void {
    this.#first = Math.max(this.#first, this.#end - count);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let n = this.#first; n < this.#end; n += 1) yield this.#items[n % this.#max] as T;
  }
}
