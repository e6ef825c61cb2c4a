/** A clock that moves only when it is told to. Timers run in the order of their times, and of their making. */
import type { ClockPort } from '../../ports/clock.js';

interface Timer {
  readonly atMs: number;
  readonly serial: number;
  readonly callback: () => void;
}

export class SimulatedClock implements ClockPort {
  #nowMs = 0;
  #serial = 0;
  /** The one that is due next is last. */
  readonly #timers: Timer[] = [];
  /** Serial numbers of those that were not cleared. */
  readonly #pending = new Set<number>();

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): number {
    this.#serial += 1;
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), serial: this.#serial, callback };
    this.#timers.splice(this.#placeOf(timer.atMs), 0, timer);
    this.#pending.add(timer.serial);
    return timer.serial;
  }

  clearTimeout(handle: unknown): void {
    this.#pending.delete(handle as number);
  }

  /** Moves on by `ms`, running what falls due and everything that follows from it. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    while (await this.step(endMs));
    this.#nowMs = endMs;
  }

  /** Moves on, timer by timer, until `condition` holds. Throws when it does not within `maxMs`. */
  async until(condition: () => boolean, maxMs = 60_000): Promise<void> {
    const endMs = this.#nowMs + maxMs;
    await settled();
    while (!condition()) {
      if (!(await this.step(endMs))) throw new Error(`nothing more happens within ${maxMs} ms of simulated time`);
    }
  }

  /** Runs the next timer and everything that follows from it; false when none is due by `endMs`. */
  async step(endMs: number): Promise<boolean> {
    const timer = this.#next(endMs);
    if (timer === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
    await settled();
    return true;
  }

  #next(endMs: number): Timer | undefined {
    for (let timer = this.#timers.at(-1); timer !== undefined; timer = this.#timers.at(-1)) {
      if (this.#pending.has(timer.serial) && timer.atMs > endMs) return undefined;
      this.#timers.pop();
      if (this.#pending.delete(timer.serial)) return timer;
    }
    return undefined;
  }

  /** Before all that are due earlier or at the same time, which were made before. */
  #placeOf(atMs: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timers[middle] as Timer).atMs > atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Lets every promise that can settle do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
