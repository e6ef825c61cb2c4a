/** What an agent does at intervals, until it closes. */
import type { ClockPort } from '../../ports/clock.js';

export class RepeatedWork {
  readonly #clock: ClockPort;
  readonly #timers: unknown[] = [];

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  /** Runs `work` every `intervalMs`, first after one interval. */
  every(intervalMs: number, work: () => void): void {
    const slot = this.#timers.length;
    const tick = () => {
      this.#timers[slot] = this.#clock.setTimeout(tick, intervalMs);
      work();
    };
    this.#timers[slot] = this.#clock.setTimeout(tick, intervalMs);
  }

  stop(): void {
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
  }
}
