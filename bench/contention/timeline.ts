/** Simulated time: what is planned happens in order, and nothing takes time but waiting. */
interface Planned {
  readonly atMs: number;
  readonly happen: () => void;
}

export class Timeline {
  #nowMs = 0;
  /** The next one is last; of those due at the same time, the one that was planned first. */
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

  /** Until nothing is planned any more. */
  run(): void {
    for (let next = this.#planned.pop(); next !== undefined; next = this.#planned.pop()) {
      this.#nowMs = next.atMs;
      next.happen();
    }
  }
}
