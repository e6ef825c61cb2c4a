/** Measured times in milliseconds. */
import { rounded } from '../../../src/figures/statistics.js';

export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class Samples {
  readonly #values: number[] = [];

  add(valueMs: number): void {
    this.#values.push(valueMs);
  }

  summary(): Summary {
    const sorted = this.#values.toSorted((a, b) => a - b);
    const at = (rank: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * rank))] ?? 0);
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: rounded(sorted.at(-1) ?? 0) };
  }
}
