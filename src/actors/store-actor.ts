/**
 * The single owner of the arena's page table. Commands run one after the other; the effects of a command are handed on
 * in order, after those of the commands before it, also when an effect leads to the next command.
 */
import type { ClockPort } from '../ports/clock.js';
import type { StoreCommand, StoreEffect } from '../store/commands.js';
import type { Store, StoreResult } from '../store/store.js';

export class StoreActor {
  readonly #store: Store;
  readonly #clock: ClockPort;
  readonly #onEffect: (effect: StoreEffect) => void;
  readonly #effects: StoreEffect[] = [];
  #dispatching = false;

  constructor(store: Store, clock: ClockPort, onEffect: (effect: StoreEffect) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onEffect = onEffect;
  }

  /** What may be looked at without a command. */
  get view(): Pick<Store, 'pageCounts' | 'waiting' | 'tombstone' | 'remembered' | 'audit'> {
    return this.#store;
  }

  /** Throws a `KvferryError`, having changed nothing, when the command cannot be accepted. */
  execute<C extends StoreCommand>(command: C): StoreResult<C>['reply'] {
    const { reply, effects } = this.#store.execute(command, this.#clock.now());
    this.#effects.push(...effects);
    this.#dispatch();
    return reply;
  }

  #dispatch(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    try {
      for (let effect = this.#effects.shift(); effect !== undefined; effect = this.#effects.shift()) {
        this.#onEffect(effect);
      }
    } finally {
      this.#dispatching = false;
    }
  }
}
