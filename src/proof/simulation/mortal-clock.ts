/**
 * The clock of one process that can be killed or stopped. No timer of a dead process fires. A timer that falls due
 * while the process is stopped fires when the process continues. The machine of the process can be paused, so that the
 * clock stands still, and the clock can step forward.
 */
import type { ClockPort } from '../../ports/clock.js';

interface Timer {
  readonly callback: () => void;
  /** By this clock. */
  readonly dueMs: number;
  handle: unknown;
}

export class MortalClock implements ClockPort {
  readonly #clock: ClockPort;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  /** Timers that have not fallen due. */
  readonly #pending = new Set<Timer>();
  /** Timers that fell due while the process was stopped. */
  readonly #due = new Set<Timer>();
  /** Number of timers that have fired. */
  fired = 0;
  /** This clock minus the clock inside. */
  #aheadMs = 0;
  /** Where this clock stands still, if it does. */
  #standsAtMs: number | undefined;

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  /** Ends the process as SIGKILL does. */
  die(): void {
    this.#state = 'dead';
    this.#pending.clear();
    this.#due.clear();
  }

  /** Stops the process as SIGSTOP does. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** Stops the process as a pause of its machine does: the clock stands still too. */
  pause(): void {
    this.stop();
    this.#standsAtMs = this.now();
    for (const { handle } of this.#pending) this.#clock.clearTimeout(handle);
  }

  /** Continues the process as SIGCONT, or its machine, does. */
  resume(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    if (this.#standsAtMs !== undefined) {
      const aheadMs = this.#standsAtMs - this.#clock.now();
      this.#standsAtMs = undefined;
      this.#move(aheadMs);
    }
    for (const timer of [...this.#due]) {
      // A callback may have cleared a later one.
      if (this.#due.delete(timer)) this.#fire(timer);
    }
  }

  /** Moves the clock forward at once. */
  step(ms: number): void {
    this.#move(this.#aheadMs + ms);
  }

  now(): number {
    return this.#standsAtMs ?? this.#clock.now() + this.#aheadMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer: Timer = { callback, dueMs: this.now() + Math.max(0, delayMs), handle: undefined };
    this.#arm(timer, delayMs);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    if (timer === undefined) return;
    const known = timer as Timer;
    this.#clock.clearTimeout(known.handle);
    this.#pending.delete(known);
    this.#due.delete(known);
  }

  #move(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    for (const timer of this.#pending) {
      this.#clock.clearTimeout(timer.handle);
      this.#arm(timer, timer.dueMs - this.now());
    }
  }

  #arm(timer: Timer, delayMs: number): void {
    this.#pending.add(timer);
    timer.handle = this.#clock.setTimeout(() => {
      if (!this.#pending.delete(timer)) return;
      if (this.#state === 'running') this.#fire(timer);
      else this.#due.add(timer);
    }, delayMs);
  }

  #fire({ callback }: Timer): void {
    this.fired += 1;
    callback();
  }
}
