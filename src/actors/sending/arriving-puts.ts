/** Puts whose receiver is being looked up. A `cancel` that came after them waits for them (P20). */
export class ArrivingPuts {
  readonly #byRequest = new Map<string, Set<Promise<unknown>>>();

  /** Counts `work` as arriving until it settles. */
  add<T>(request: string, work: Promise<T>): Promise<T> {
    const puts = this.#byRequest.get(request) ?? new Set();
    this.#byRequest.set(request, puts);
    const done = work
      .catch(() => undefined)
      .then(() => {
        puts.delete(done);
        if (puts.size === 0) this.#byRequest.delete(request);
      });
    puts.add(done);
    return work;
  }

  /** Resolves when the puts that have arrived by now are accepted or refused. Undefined when there are none. */
  before(request: string): Promise<unknown> | undefined {
    const puts = this.#byRequest.get(request);
    return puts === undefined ? undefined : Promise.all(puts);
  }
}
