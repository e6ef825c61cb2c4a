/** A clock that moves only when it is advanced. Timers run by due time, and those of the same time by creation. */
import type { ClockPort } from '../../ports/clock.js';

interface Timer {
  readonly atMs: number;
  readonly serial: number;
  readonly callback: () => void;
}

export class SimulatedClock implements ClockPort {
  #nowMs = 0;
  #serial = 0;
  /** Sorted: the timer that is due next is last. */
  readonly #timers: Timer[] = [];
  /** Serial numbers of timers that were not cleared. */
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

  /** Advances by `ms`, and runs every timer that falls due with all its consequences. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    while (await this.step(endMs));
    this.#nowMs = endMs;
  }

  /** Advances timer by timer until `condition` holds. Throws if it does not hold within `maxMs`. */
  async until(condition: () => boolean, maxMs = 60_000): Promise<void> {
    const endMs = this.#nowMs + maxMs;
    await settled();
    while (!condition()) {
      if (!(await this.step(endMs))) throw new Error(`the condition did not hold within ${maxMs} ms of simulated time`);
    }
  }

  /** Runs the next timer with all its consequences. False when no timer is due by `endMs`. */
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

  /** The index for a new timer: before all timers that are due earlier or at the same time. */
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

/** Lets every promise settle that can. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
