/**
 * The requests that wait for the bytes of one entry. When its writer leaves, the first that can write takes over (P2). A
 * joiner that cannot write is passed over, and is a candidate again when its sender's remote keys change. So each joiner is
 * looked at once for each such change, however often the writer changes.
 */
export class Joiners<Holder, Joiner extends { readonly holder: Holder }> {
  /** Joiners that may be asked to write, in the order in which they came. */
  readonly #candidates = new Map<Holder, Joiner>();
  readonly #passed = new Map<Holder, Joiner>();

  get size(): number {
    return this.#candidates.size + this.#passed.size;
  }

  get hasCandidates(): boolean {
    return this.#candidates.size > 0;
  }

  *[Symbol.iterator](): IterableIterator<Joiner> {
    yield* this.#candidates.values();
    yield* this.#passed.values();
  }

  get(holder: Holder): Joiner | undefined {
    return this.#candidates.get(holder) ?? this.#passed.get(holder);
  }

  firstCandidate(): Joiner | undefined {
    for (const joiner of this.#candidates.values()) return joiner;
    return undefined;
  }

  /** Removes and returns a joiner: the first candidate, or one that was passed over. */
  take(): Joiner | undefined {
    const joiner = this.firstCandidate() ?? this.#firstPassed();
    if (joiner !== undefined) this.delete(joiner);
    return joiner;
  }

  add(joiner: Joiner): void {
    this.#candidates.set(joiner.holder, joiner);
  }

  delete({ holder }: Joiner): void {
    this.#candidates.delete(holder);
    this.#passed.delete(holder);
  }

  pass(joiner: Joiner): void {
    this.#candidates.delete(joiner.holder);
    this.#passed.set(joiner.holder, joiner);
  }

  reconsider(joiner: Joiner): void {
    if (this.#passed.delete(joiner.holder)) this.#candidates.set(joiner.holder, joiner);
  }

  #firstPassed(): Joiner | undefined {
    for (const joiner of this.#passed.values()) return joiner;
    return undefined;
  }
}
