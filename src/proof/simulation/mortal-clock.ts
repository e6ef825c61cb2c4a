/**
 * The clock of one process that can be killed or stopped: once it is dead none of its timers fires; those that fall due while
 * it is stopped fire when it goes on.
 */
import type { ClockPort } from '../../ports/clock.js';

export class MortalClock implements ClockPort {
  readonly #clock: ClockPort;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  readonly #due = new Set<() => void>();

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  /** As SIGKILL does. */
  die(): void {
    this.#state = 'dead';
    this.#due.clear();
  }

  /** As SIGSTOP does. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** As SIGCONT does. */
  resume(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const callback of [...this.#due]) {
      // One that ran may have cleared another.
      if (this.#due.delete(callback)) callback();
    }
  }

  now(): number {
    return this.#clock.now();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const handle = this.#clock.setTimeout(() => {
      if (this.#state === 'running') callback();
      else if (this.#state === 'stopped') this.#due.add(callback);
    }, delayMs);
    return { handle, callback };
  }

  clearTimeout(timer: unknown): void {
    if (timer === undefined) return;
    const { handle, callback } = timer as { handle: unknown; callback: () => void };
    this.#clock.clearTimeout(handle);
    this.#due.delete(callback);
  }
}
