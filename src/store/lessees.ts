/**
 * The holders that lease an entry. Every key has one of these, and nearly every key has at most one holder. So a `Set` is
 * made only for the second holder: it saves most of the memory.
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

  /** In the order in which they took their leases. */
  *[Symbol.iterator](): IterableIterator<Holder> {
    if (this.#all !== undefined) yield* this.#all;
    else if (this.#only !== undefined) yield this.#only;
  }
}
