/**
 * Counts the absences of this agent: times in which peers could have declared it dead. There is none while its heartbeats
 * are in time and it is connected to NATS. An absence begins when the process is stopped, the machine is overloaded, or NATS
 * is away. After one, the agent must ask before it announces the end of an older request: its peer may have announced one
 * (P12).
 */
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';

/** A heartbeat that is later than this many intervals counts as an absence. Peers wait for 2.75 intervals. */
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

  /** Call this for every heartbeat that the agent sends. */
  beat(): void {
    this.#noticeDelay();
    this.#lastBeatMs = this.#clock.now();
  }

  /** Absences so far. A caller that remembers the number can later tell whether there was another. */
  get absences(): number {
    this.#noticeDelay();
    return this.#absences;
  }

  /**
   * Absences before the message that is being read now was sent, at least. A message that is read soon after an absence may
   * have been waiting since before it.
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
