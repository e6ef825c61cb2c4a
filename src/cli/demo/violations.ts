/** Promises of the protocol that were seen broken. One is enough to fail the demo. */
export class Violations {
  readonly #seen: string[] = [];

  add(what: string): void {
    this.#seen.push(what);
  }

  list(): readonly string[] {
    return [...this.#seen];
  }
}
