/**
 * The clock of a replay. A timer that was set at the same place in the recording fires when it fired there. Any other,
 * and one that was cleared then and is not cleared now, fires when it is due.
 */
import type { ClockPort } from '../../ports/clock.js';
import type { Output } from '../recording/record.js';
import type { ReplayTurn } from './replay-turn.js';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
  /** The recording does not say when it fires. */
  isOwn: boolean;
}

/** More timers than this, one after the other, without any step of the recording between them: they would never end. */
const OWN_TIMERS_MAX = 1_000_000;

export class ReplayClock implements ClockPort {
  readonly #turn: ReplayTurn;
  /** In the order in which they were set. */
  readonly #timers = new Map<string, Timer>();
  /** Recorded timers that the agent has set. */
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

  /** Used by the replay itself: nobody recorded it, and nobody hears of it. */
  later(callback: () => void, delayMs: number): void {
    this.#timers.set(this.#ownName(), { dueMs: this.#dueIn(delayMs), callback, isOwn: true });
  }

  /** It fired in the recording. False when it is not set now. */
  fire(timer: string): boolean {
    const found = this.#timers.get(timer);
    if (found === undefined) return false;
    this.#timers.delete(timer);
    found.callback();
    return true;
  }

  /** It was cleared in the recording. If it is still set, it is on its own from now on. */
  release(timer: string): void {
    const found = this.#timers.get(timer);
    if (found !== undefined) found.isOwn = true;
  }

  /** Runs what the recording does not have and is due before `untilMs`, the earliest first; `settle` after each. */
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
