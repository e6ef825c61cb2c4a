/** A clock that moves only when it is told to. Timers run in the order of their times, and of their making. */
import type { ClockPort } from '../ports/clock.js';

interface Timer {
  readonly atMs: number;
  readonly serial: number;
  readonly callback: () => void;
}

export class SimulatedClock implements ClockPort {
  #nowMs = 0;
  #serial = 0;
  readonly #timers = new Map<number, Timer>();

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): number {
    this.#serial += 1;
    this.#timers.set(this.#serial, { atMs: this.#nowMs + Math.max(0, delayMs), serial: this.#serial, callback });
    return this.#serial;
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as number);
  }

  /** Moves on by `ms`, running what falls due and everything that follows from it. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) await this.#fire(timer);
    this.#nowMs = endMs;
  }

  /** Moves on, timer by timer, until `condition` holds. Throws when it does not within `maxMs`. */
  async until(condition: () => boolean, maxMs = 60_000): Promise<void> {
    const endMs = this.#nowMs + maxMs;
    await settled();
    while (!condition()) {
      const timer = this.#next(endMs);
      if (timer === undefined) throw new Error(`nothing more happens within ${maxMs} ms of simulated time`);
      await this.#fire(timer);
    }
  }

  #next(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.atMs > endMs) continue;
      if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.serial < next.serial)) {
        next = timer;
      }
    }
    return next;
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.delete(timer.serial);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
    await settled();
  }
}

/** Lets every promise that can settle do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
