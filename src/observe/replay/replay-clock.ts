/**
 * The clock of a replay. A timer that the recording has too fires at its recorded time. A timer that the recording lacks, or
 * that was cleared in the recording only, fires when it is due.
 */
import type { ClockPort } from '../../ports/clock.js';
import type { Output } from '../recording/record.js';
import type { ReplayTurn } from './replay-turn.js';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
  /** The recording has no time at which the timer fires. */
  isOwn: boolean;
}

/** Most timers in a row without a recorded step between them. More would never end. */
const OWN_TIMERS_MAX = 1_000_000;

export class ReplayClock implements ClockPort {
  readonly #turn: ReplayTurn;
  /** Timers in the order in which the agent set them. */
  readonly #timers = new Map<string, Timer>();
  /** Recorded timers that the replayed agent has set. */
  readonly #taken = new Set<string>();
  #own = 0;

  constructor(turn: ReplayTurn) {
    this.#turn = turn;
  }

  now(): number {
    return this.#turn.nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const recorded = this.#turn.recorded?.outputs.find(
      (output): output is Output & { out: 'timer.set' } =>
        output.out === 'timer.set' && output.delayMs === delayMs && !this.#taken.has(output.timer),
    );
    const timer = recorded?.timer ?? this.#ownName();
    this.#taken.add(timer);
    this.#turn.note({ out: 'timer.set', timer, delayMs });
    this.#timers.set(timer, { dueMs: this.#dueIn(delayMs), callback, isOwn: recorded === undefined });
    return timer;
  }

  clearTimeout(handle: unknown): void {
    const timer = handle as string;
    if (this.#timers.delete(timer)) this.#turn.note({ out: 'timer.clear', timer });
  }

  /** A timer of the replay itself, which is not recorded or reported. */
  later(callback: () => void, delayMs: number): void {
    this.#timers.set(this.#ownName(), { dueMs: this.#dueIn(delayMs), callback, isOwn: true });
  }

  /** Fires a recorded timer. False when the replayed agent has not set it. */
  fire(timer: string): boolean {
    const found = this.#timers.get(timer);
    if (found === undefined) return false;
    this.#timers.delete(timer);
    found.callback();
    return true;
  }

  /** The recording cleared this timer. If the replayed agent has not, the timer fires when it is due. */
  release(timer: string): void {
    const found = this.#timers.get(timer);
    if (found !== undefined) found.isOwn = true;
  }

  /** Runs the timers that the recording lacks and that are due before `untilMs`, earliest first, with `settle` after each. */
  async runOwn(untilMs: number, settle: () => Promise<void>): Promise<number> {
    let ran = 0;
    for (let next = this.#nextOwn(untilMs); next !== undefined; next = this.#nextOwn(untilMs)) {
      if (ran >= OWN_TIMERS_MAX) throw new Error(`the agent sets timers without end at ${this.#turn.nowMs} ms`);
      ran += 1;
      const [name, { dueMs }] = next;
      this.#turn.nowMs = Math.max(this.#turn.nowMs, dueMs);
      this.fire(name);
      await settle();
    }
    return ran;
  }

  #nextOwn(untilMs: number): [name: string, timer: Timer] | undefined {
    let first: [string, Timer] | undefined;
    for (const entry of this.#timers) {
      const [, { isOwn, dueMs }] = entry;
      if (isOwn && dueMs <= untilMs && (first === undefined || dueMs < first[1].dueMs)) first = entry;
    }
    return first;
  }

  #dueIn(delayMs: number): number {
    return this.#turn.nowMs + Math.max(0, delayMs);
  }

  #ownName(): string {
    this.#own += 1;
    return `own.${this.#own}`;
  }
}
