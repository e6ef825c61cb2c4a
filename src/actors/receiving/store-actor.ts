/**
 * The single owner of the store, and so of the arena's page table. Commands run one after the other. The effects of a
 * command are passed on in order, after those of earlier commands, even when an effect leads to the next command.
 *
 * No turn of the event loop is long because of one command. The store limits the work of a command, and the actor goes on with
 * the rest in later turns. It does the same with effects: when there are many, later turns pass the rest on.
 */
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { StoreCommand, StoreEffect } from '../../store/messages.js';
import type { Store, StoreResult } from '../../store/store.js';

/** Effects that are passed on in one turn. Each of them can lead to messages, which take up to half a millisecond. */
const EFFECTS_PER_TURN = 32;
/** The answer to this many chunks counts as another effect. */
const CHUNKS_PER_EFFECT = 256;
/** Pages or keys whose owners one check looks at: about 2 ms. */
const OWNERS_PER_CHECK = 8192;

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
  /** A later turn goes on: effects are left, or the store is unsettled. */
  #goesOn = false;
  #isUnsettled = false;

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
    this.#isUnsettled ||= this.#store.unsettled;
    this.#effects.push(effects);
    if (!this.#goesOn) this.#dispatch();
    return reply;
  }

  /** Checks the invariants: all counts, and the owners of some pages. One check after another looks at all owners. */
  check(): void {
    if (this.#isShut) return;
    const broken = this.#store.checkCounts() ?? this.#store.auditOwners(OWNERS_PER_CHECK);
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
      let work = EFFECTS_PER_TURN;
      for (let effect = this.#nextEffect(); effect !== undefined && work > 0; effect = this.#nextEffect()) {
        this.#next += 1;
        work -= weightOf(effect);
        this.#onEffect(effect);
      }
    } finally {
      this.#dispatching = false;
      if (this.#isUnsettled || this.#nextEffect() !== undefined) this.#goOnLater();
    }
  }

  #nextEffect(): StoreEffect | undefined {
    for (let effects = this.#effects[0]; effects !== undefined; effects = this.#effects[0]) {
      if (this.#next < effects.length) return effects[this.#next];
      this.#next = 0;
      this.#effects.shift();
    }
    return undefined;
  }

  #goOnLater(): void {
    if (this.#goesOn) return;
    this.#goesOn = true;
    this.#clock.setTimeout(() => this.#goOn(), 0);
  }

  #goOn(): void {
    this.#goesOn = false;
    const isUnsettled = this.#isUnsettled && !this.#isShut;
    this.#isUnsettled = false;
    if (isUnsettled) this.execute({ type: 'settle' });
    else this.#dispatch();
  }
}

function weightOf(effect: StoreEffect): number {
  return effect.type === 'allocated' ? 1 + effect.allocation.pages.length / CHUNKS_PER_EFFECT : 1;
}
