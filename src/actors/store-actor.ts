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
  /** Effects by command, in order: one command can have hundreds of thousands. */
  readonly #effects: (readonly StoreEffect[])[] = [];
  /** Of the first of `effects`, the next one to hand on. */
  #next = 0;
  #dispatching = false;

  constructor(store: Store, clock: ClockPort, onEffect: (effect: StoreEffect) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onEffect = onEffect;
  }

  /** What may be looked at without a command. */
  get view(): Pick<
    Store,
    'pageCounts' | 'waiting' | 'tombstone' | 'remembered' | 'auditCounts' | 'audit' | 'describe' | 'quarantineAgeMs'
  > {
    return this.#store;
  }

  /** Throws a `KvferryError`, having changed nothing, when the command cannot be accepted. */
  execute<C extends StoreCommand>(command: C): StoreResult<C>['reply'] {
    const { reply, effects } = this.#store.execute(command, this.#clock.now());
    this.#effects.push(effects);
    this.#dispatch();
    return reply;
  }

  #dispatch(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    try {
      for (let effects = this.#effects[0]; effects !== undefined; effects = this.#effects[0]) {
        while (this.#next < effects.length) {
          this.#next += 1;
          this.#onEffect(effects[this.#next - 1] as StoreEffect);
        }
        this.#next = 0;
        this.#effects.shift();
      }
    } finally {
      this.#dispatching = false;
    }
  }
}
