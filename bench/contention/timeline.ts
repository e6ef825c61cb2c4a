/** Simulated time: planned steps happen in order, and only waiting takes time. */
interface Planned {
  readonly atMs: number;
  readonly happen: () => void;
}

export class Timeline {
  #nowMs = 0;
  /** Planned steps, the next one last. Steps of the same time happen in the order in which they were planned. */
  readonly #planned: Planned[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, happen: () => void): void {
    const atMs = this.#nowMs + delayMs;
    let low = 0;
    let high = this.#planned.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#planned[middle] as Planned).atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#planned.splice(low, 0, { atMs, happen });
  }

  /** Runs until no step is planned. */
  run(): void {
    for (let next = this.#planned.pop(); next !== undefined; next = this.#planned.pop()) {
      this.#nowMs = next.atMs;
      next.happen();
    }
  }
}
