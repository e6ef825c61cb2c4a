/**
 * The single owner of the store, and so of the arena's page table. Commands run one after the other. The effects of a
 * command are passed on in order, after those of earlier commands, even when an effect leads to the next command.
 */
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { StoreCommand, StoreEffect } from '../../store/messages.js';
import type { Store, StoreResult } from '../../store/store.js';

/** A check of all owners is followed by a pause of this many times its own duration. */
const OWNERS_CHECK_PAUSE_FACTOR = 100;

export class StoreActor {
  readonly #store: Store;
  readonly #clock: ClockPort;
  readonly #onEffect: (effect: StoreEffect) => void;
  /** One list of effects for each command, in order. One command can have hundreds of thousands of effects. */
  readonly #effects: (readonly StoreEffect[])[] = [];
  /** The next effect of the first list to pass on. */
  #next = 0;
  readonly #onBroken: (invariant: string) => void;
  #dispatching = false;
  #isShut = false;
  #nextOwnersCheckMs = 0;

  /** `onBroken` receives a broken invariant, once; from then on the actor executes nothing. */
  constructor(
    store: Store,
    clock: ClockPort,
    listener: { onEffect: (effect: StoreEffect) => void; onBroken: (invariant: string) => void },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#onEffect = listener.onEffect;
    this.#onBroken = listener.onBroken;
  }

  /** The queries of the store: they need no command and change nothing. */
  get view(): Pick<
    Store,
    | 'pageCounts'
    | 'waiting'
    | 'tombstone'
    | 'remembered'
    | 'brokenInvariant'
    | 'describe'
    | 'quarantineAgeMs'
    | 'quarantiningSince'
    | 'details'
  > {
    return this.#store;
  }

  /** True when the actor executes nothing any more: the contents of the store cannot be trusted. */
  get isShut(): boolean {
    return this.#isShut;
  }

  shut(): void {
    this.#isShut = true;
  }

  /** Throws a `KvferryError`, and changes nothing, when the command cannot be accepted. */
  execute<C extends StoreCommand>(command: C): StoreResult<C>['reply'] {
    if (this.#isShut) throw new KvferryError('agent_fenced', 'this agent has fenced itself');
    const { reply, effects } = this.#run(command);
    this.#effects.push(effects);
    this.#dispatch();
    return reply;
  }

  /** Checks the invariants: the counts every time, all owners only when the last such check was long enough ago. */
  check(): void {
    if (this.#isShut) return;
    const startedMs = this.#clock.now();
    const isDue = startedMs >= this.#nextOwnersCheckMs;
    const broken = this.#store.checkCounts() ?? (isDue ? this.#store.checkOwners() : undefined);
    const endedMs = this.#clock.now();
    if (isDue) this.#nextOwnersCheckMs = endedMs + (endedMs - startedMs) * OWNERS_CHECK_PAUSE_FACTOR;
    if (broken !== undefined) this.#break(broken);
  }

  #run<C extends StoreCommand>(command: C): StoreResult<C> {
    try {
      return this.#store.execute(command, this.#clock.now());
    } catch (error) {
      // Any other error than a refusal means that the store has met a state that must never occur.
      if (error instanceof KvferryError && error.code !== 'internal') throw error;
      this.#break(`${command.type}: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  }

  #break(invariant: string): void {
    this.#isShut = true;
    this.#onBroken(invariant);
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
