/** The clock of one process that can be killed: none of its timers fires after that. */
import type { ClockPort } from '../ports/clock.js';

export class MortalClock implements ClockPort {
  readonly #clock: ClockPort;
  #dead = false;

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  die(): void {
    this.#dead = true;
  }

  now(): number {
    return this.#clock.now();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return this.#clock.setTimeout(() => {
      if (!this.#dead) callback();
    }, delayMs);
  }

  clearTimeout(handle: unknown): void {
    this.#clock.clearTimeout(handle);
  }
}
