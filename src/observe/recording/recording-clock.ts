/** A recorded clock port. The clock stands still during a turn. */
import type { ClockPort } from '../../ports/clock.js';
import type { Recorder } from './recorder.js';

export class RecordingClock implements ClockPort {
  readonly #clock: ClockPort;
  readonly #recorder: Recorder;
  /** Pending timers: the handle of the inner clock, by name. */
  readonly #pending = new Map<string, unknown>();

  constructor(clock: ClockPort, recorder: Recorder) {
    this.#clock = clock;
    this.#recorder = recorder;
  }

  now(): number {
    return this.#recorder.nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = this.#recorder.nextName();
    this.#recorder.note({ out: 'timer.set', timer, delayMs });
    const due = () => {
      const fire = () => {
        this.#pending.delete(timer);
        callback();
      };
      // The agent may still clear the timer before its turn.
      this.#recorder.arrive({ in: 'timer', timer }, fire, () => this.#pending.has(timer));
    };
    this.#pending.set(timer, this.#clock.setTimeout(due, delayMs));
    return timer;
  }

  clearTimeout(handle: unknown): void {
    const timer = handle as string;
    if (!this.#pending.has(timer)) return;
    this.#clock.clearTimeout(this.#pending.get(timer));
    this.#pending.delete(timer);
    this.#recorder.note({ out: 'timer.clear', timer });
  }
}
