/** The actors of an agent that run. */
import type { ClockPort } from '../../ports/clock.js';
import type { ActorIdentity, Journal } from './journal.js';
import { type ActorTask, type MachineActor, ObservedActor } from './observed-actor.js';
import { StateCounts } from './state-counts.js';

export class ObservedActors {
  readonly #clock: ClockPort;
  readonly #journal: Journal;
  readonly #actors = new Set<ObservedActor>();
  readonly #states = new StateCounts();

  constructor(clock: ClockPort, journal: Journal) {
    this.#clock = clock;
    this.#journal = journal;
  }

  add(actor: MachineActor, task: ActorTask): ObservedActor {
    const observed = new ObservedActor(actor, task, this.#clock, this.#journal, this.#states);
    this.#actors.add(observed);
    return observed;
  }

  remove(observed: ObservedActor): void {
    if (this.#actors.delete(observed)) observed.removed();
  }

  /** How many actors are in each state. */
  get states(): Pick<StateCounts, 'of'> {
    return this.#states;
  }

  /** The actors that match, oldest first. */
  matching(matches: (identity: ActorIdentity) => boolean): ObservedActor[] {
    return [...this.#actors].filter(({ identity }) => matches(identity));
  }
}
