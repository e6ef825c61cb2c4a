/**
 * Could others have held this agent for lost? Not while it says that it lives, in time, and is connected to NATS. After an
 * absence (the process was stopped, the machine was overloaded, NATS was not there) it must ask before it announces the end of
 * a request that it had before: its peer may have announced one (P12).
 */
import type { ClockPort } from '../ports/clock.js';
import type { ControlPort } from '../ports/control.js';

/** A heartbeat that is later than this many intervals counts as an absence; others wait for three. */
const LATE_HEARTBEATS_MAX = 1.5;

export class Presence {
  readonly #clock: ClockPort;
  readonly #heartbeatMs: number;
  #lastBeatMs: number;
  #absences = 0;

  constructor(clock: ClockPort, control: ControlPort, heartbeatMs: number) {
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
    this.#lastBeatMs = clock.now();
    control.onStatus((status) => {
      if (status === 'disconnected') this.#absences += 1;
    });
  }

  /** A heartbeat is being sent. */
  beat(): void {
    this.#noticeDelay();
    this.#lastBeatMs = this.#clock.now();
  }

  /** Absences so far. Who remembers the number learns later whether there was one since. */
  get absences(): number {
    this.#noticeDelay();
    return this.#absences;
  }

  #noticeDelay(): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#lastBeatMs <= this.#heartbeatMs * LATE_HEARTBEATS_MAX) return;
    this.#absences += 1;
    this.#lastBeatMs = nowMs;
  }
}
