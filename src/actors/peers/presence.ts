/**
 * Could others have held this agent for lost? Not while it says that it lives, in time, and is connected to NATS. After an
 * absence (the process was stopped, the machine was overloaded, NATS was not there) it must ask before it announces the end of
 * a request that it had before: its peer may have announced one (P12).
 */
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';

/** A heartbeat that is later than this many intervals counts as an absence; others wait for nearly three. */
const LATE_HEARTBEATS_MAX = 1.5;

export class Presence {
  readonly #clock: ClockPort;
  readonly #heartbeatMs: number;
  #lastBeatMs: number;
  #absences = 0;
  #lastAbsenceMs = Number.NEGATIVE_INFINITY;

  constructor(clock: ClockPort, control: ControlPort, heartbeatMs: number) {
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
    this.#lastBeatMs = clock.now();
    control.onStatus((status) => {
      if (status === 'disconnected') this.#wasAbsent();
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

  /**
   * Absences before a message that is being read was sent, at the least: what is read soon after an absence may have lain there
   * since before it.
   */
  get absencesBefore(): number {
    const absences = this.absences;
    return this.#clock.now() - this.#lastAbsenceMs < this.#heartbeatMs ? absences - 1 : absences;
  }

  #noticeDelay(): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#lastBeatMs <= this.#heartbeatMs * LATE_HEARTBEATS_MAX) return;
    this.#wasAbsent();
    this.#lastBeatMs = nowMs;
  }

  #wasAbsent(): void {
    this.#absences += 1;
    this.#lastAbsenceMs = this.#clock.now();
  }
}
