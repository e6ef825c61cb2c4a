/** Collects broken promises of the protocol. A single one fails the demo. */
export class Violations {
  readonly #seen: string[] = [];

  add(what: string): void {
    this.#seen.push(what);
  }

  list(): readonly string[] {
    return [...this.#seen];
  }
}
