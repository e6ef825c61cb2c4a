/**
 * The clock of one process that can be killed or stopped. No timer of a dead process fires. A timer that falls due
 * while the process is stopped fires when the process continues.
 */
import type { ClockPort } from '../../ports/clock.js';

export class MortalClock implements ClockPort {
  readonly #clock: ClockPort;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  readonly #due = new Set<() => void>();

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  /** Ends the process as SIGKILL does. */
  die(): void {
    this.#state = 'dead';
    this.#due.clear();
  }

  /** Stops the process as SIGSTOP does. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** Continues the process as SIGCONT does. */
  resume(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const callback of [...this.#due]) {
      // A callback may have cleared a later one.
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
