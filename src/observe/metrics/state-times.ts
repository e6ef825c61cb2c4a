/** How long actors live and stay in each state, from the state changes in the journal. */
import type { ActorIdentity, StateEvent } from '../../actors/observing/journal.js';

interface ActorTimes {
  readonly startedMs: number;
  readonly sinceMs: number;
}

export interface StepTimes {
  /** Time in the state that the actor leaves. */
  readonly inStateMs: number;
  /** Time since the start of the actor. */
  readonly ageMs: number;
}

export class StateTimes {
  /** Actors that have not ended. An entry without an end is dropped with its actor. */
  readonly #actors = new WeakMap<ActorIdentity, ActorTimes>();

  /** Takes every event once, in order. Undefined for the start of an actor, and for an actor whose start is unknown. */
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
