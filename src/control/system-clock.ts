/** The clock port on the system's monotonic clock. */
import { performance } from 'node:perf_hooks';
import type { ClockPort } from '../ports/clock.js';

/** Node fires timers with a longer delay at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;
/** When timers of one turn of the event loop have taken so long, the others wait for later turns. */
const TURN_MS_MAX = 8;
/** Late timers that one turn tries to run. */
const LATE_PER_TURN = 64;

interface Timer {
  readonly callback: () => void;
  handle: NodeJS.Timeout | undefined;
}

/**
 * Its timers keep the process alive. Each owner must clear its timers when it stops. A forgotten timer shows as a process
 * that does not end.
 *
 * Node fires all timers that are due in one turn of the event loop. When thousands of requests expire at the same moment, the
 * agent must still send heartbeats and receive messages. So the clock lets them wait, in order, for later turns.
 */
export class SystemClock implements ClockPort {
  /** Timers that are due and wait for a later turn. */
  readonly #late = new Set<Timer>();
  /** When timers of this turn have taken long enough. Undefined before the first of them. */
  #turnEndsMs: number | undefined;
  #runsLate = false;

  now(): number {
    return performance.now();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer: Timer = { callback, handle: undefined };
    timer.handle = setTimeout(() => this.#due(timer), Math.min(delayMs, DELAY_MS_MAX));
    return timer;
  }

  clearTimeout(timer: unknown): void {
    if (timer === undefined) return;
    clearTimeout((timer as Timer).handle);
    this.#late.delete(timer as Timer);
  }

  #due(timer: Timer): void {
    if (this.#turnEndsMs === undefined) {
      this.#turnEndsMs = this.now() + TURN_MS_MAX;
      setImmediate(() => this.#endTurn());
    }
    if (this.now() < this.#turnEndsMs) {
      timer.callback();
      return;
    }
    this.#late.add(timer);
    if (!this.#runsLate) this.#runLateTimers();
  }

  #endTurn(): void {
    this.#turnEndsMs = undefined;
  }

  /** Node handles what follows from each of them, such as promises, before the next. */
  #runLateTimers(): void {
    this.#runsLate = true;
    for (let count = 0; count < LATE_PER_TURN; count += 1) setImmediate(() => this.#runLateTimer());
    setImmediate(() => {
      this.#endTurn();
      this.#runsLate = false;
      if (this.#late.size > 0) this.#runLateTimers();
    });
  }

  #runLateTimer(): void {
    this.#turnEndsMs ??= this.now() + TURN_MS_MAX;
    if (this.now() >= this.#turnEndsMs) return;
    for (const timer of this.#late) {
      this.#late.delete(timer);
      timer.callback();
      return;
    }
  }
}
