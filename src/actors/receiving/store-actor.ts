/**
 * The single owner of the arena's page table. Commands run one after the other; the effects of a command are handed on
 * in order, after those of the commands before it, also when an effect leads to the next command.
 */
import type { ClockPort } from '../../ports/clock.js';
import { KvferryError } from '../../protocol/errors.js';
import type { StoreCommand, StoreEffect } from '../../store/messages.js';
import type { Store, StoreResult } from '../../store/store.js';

/** Auditing owners takes at most one part in this many of the time. */
const AUDIT_PAUSE_FACTOR = 100;

export class StoreActor {
  readonly #store: Store;
  readonly #clock: ClockPort;
  readonly #onEffect: (effect: StoreEffect) => void;
  /** Effects by command, in order: one command can have hundreds of thousands. */
  readonly #effects: (readonly StoreEffect[])[] = [];
  /** Of the first of `effects`, the next one to hand on. */
  #next = 0;
  readonly #onBroken: (invariant: string) => void;
  #dispatching = false;
  #isShut = false;
  #nextOwnersAuditMs = 0;

  /** `onBroken` hears of a lost invariant, once; nothing is executed from then on. */
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

  /** What may be looked at without a command. */
  get view(): Pick<
    Store,
    | 'pageCounts'
    | 'waiting'
    | 'tombstone'
    | 'remembered'
    | 'auditCounts'
    | 'audit'
    | 'describe'
    | 'quarantineAgeMs'
    | 'quarantiningSince'
    | 'details'
  > {
    return this.#store;
  }

  /** Nothing is executed any more: what the store holds is not to be trusted. */
  get isShut(): boolean {
    return this.#isShut;
  }

  shut(): void {
    this.#isShut = true;
  }

  /** Throws a `KvferryError`, having changed nothing, when the command cannot be accepted. */
  execute<C extends StoreCommand>(command: C): StoreResult<C>['reply'] {
    if (this.#isShut) throw new KvferryError('agent_fenced', 'this agent has fenced itself');
    const { reply, effects } = this.#run(command);
    this.#effects.push(effects);
    this.#dispatch();
    return reply;
  }

  /** Looks for lost invariants: the counts each time, every page's owner when that is not too dear. */
  audit(): void {
    if (this.#isShut) return;
    const startedMs = this.#clock.now();
    const isDue = startedMs >= this.#nextOwnersAuditMs;
    const broken = this.#store.auditCounts() ?? (isDue ? this.#store.auditOwners() : undefined);
    const endedMs = this.#clock.now();
    if (isDue) this.#nextOwnersAuditMs = endedMs + (endedMs - startedMs) * AUDIT_PAUSE_FACTOR;
    if (broken !== undefined) this.#break(broken);
  }

  #run<C extends StoreCommand>(command: C): StoreResult<C> {
    try {
      return this.#store.execute(command, this.#clock.now());
    } catch (error) {
      // Whatever is not a refusal has found something that cannot be.
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
