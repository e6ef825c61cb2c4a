/** A clock that runs faster or slower than the clock inside. */
import type { ClockPort } from '../../ports/clock.js';

export class SkewedClock implements ClockPort {
  readonly #clock: ClockPort;
  readonly #rate: number;

  /** `rate`: milliseconds of this clock in one millisecond of `clock`. */
  constructor(clock: ClockPort, rate: number) {
    this.#clock = clock;
    this.#rate = rate;
  }

  now(): number {
    return this.#clock.now() * this.#rate;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return this.#clock.setTimeout(callback, delayMs / this.#rate);
  }

  clearTimeout(handle: unknown): void {
    this.#clock.clearTimeout(handle);
  }
}
