/**
 * Who leases an entry: nearly always nobody or one, and there are as many of these as there are keys. So a set is made only for
 * the second.
 */
export class Lessees<Holder> {
  #only: Holder | undefined;
  #all: Set<Holder> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1);
  }

  has(holder: Holder): boolean {
    return this.#all?.has(holder) ?? this.#only === holder;
  }

  add(holder: Holder): void {
    if (this.#all !== undefined) this.#all.add(holder);
    else if (this.#only === undefined || this.#only === holder) this.#only = holder;
    else this.#all = new Set([this.#only, holder]);
  }

  delete(holder: Holder): void {
    if (this.#all === undefined) {
      if (this.#only === holder) this.#only = undefined;
      return;
    }
    this.#all.delete(holder);
    if (this.#all.size > 1) return;
    [this.#only] = this.#all;
    this.#all = undefined;
  }

  /** In the order in which they came. */
  *[Symbol.iterator](): IterableIterator<Holder> {
    if (this.#all !== undefined) yield* this.#all;
    else if (this.#only !== undefined) yield this.#only;
  }
}
