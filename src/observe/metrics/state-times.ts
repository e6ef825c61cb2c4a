/** How long actors are in their states, and live: from the events of the journal, which say when they change. */
import type { ActorIdentity, StateEvent } from '../../actors/observing/journal.js';

interface ActorTimes {
  readonly startedMs: number;
  readonly sinceMs: number;
}

export interface StepTimes {
  /** How long it was in the state that it leaves. */
  readonly inStateMs: number;
  /** Since it was started. */
  readonly ageMs: number;
}

export class StateTimes {
  /** Of those that have not ended. One whose end is never told is forgotten with its actor. */
  readonly #actors = new WeakMap<ActorIdentity, ActorTimes>();

  /** Takes every event once, in order. Undefined for the start of an actor, and for one whose start was not seen. */
  step({ of, from, atMs, done }: StateEvent): StepTimes | undefined {
    const known = this.#actors.get(of);
    if (from === undefined) {
      this.#actors.set(of, { startedMs: atMs, sinceMs: atMs });
      return undefined;
    }
    if (known === undefined) return undefined;
    if (done) this.#actors.delete(of);
    else this.#actors.set(of, { startedMs: known.startedMs, sinceMs: atMs });
    return { inStateMs: atMs - known.sinceMs, ageMs: atMs - known.startedMs };
  }
}
