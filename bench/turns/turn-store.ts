/** The shipped store and its owner, alone. Each command is one turn, and so is each time that the owner goes on later. */
import type { Journal } from '../../src/actors/observing/journal.js';
import { StoreActor } from '../../src/actors/receiving/store-actor.js';
import type { ClockPort } from '../../src/ports/clock.js';
import type { HolderId } from '../../src/store/holder.js';
import type { StoreCommand } from '../../src/store/messages.js';
import { Store } from '../../src/store/store.js';
import type { StoreView } from '../../src/store/view.js';
import { Stopwatch } from './stopwatch.js';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** Timers run when they are asked to, one in each turn. */
class TurnClock implements ClockPort {
  readonly #timers: (() => void)[] = [];

  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  later(ms: number): void {
    this.#nowMs += ms;
  }

  setTimeout(callback: () => void): void {
    this.#timers.push(callback);
  }

  clearTimeout(): void {
    // The owner of the store clears no timer.
  }

  next(): (() => void) | undefined {
    return this.#timers.shift();
  }
}

/** What differs from a store that forgets nothing. */
interface Times {
  readonly journal?: Journal;
  readonly leaseMs?: number;
  readonly tombstoneMs?: number;
}

export class TurnStore {
  readonly #clock = new TurnClock();
  readonly #actor: StoreActor;
  readonly #store: Store;

  constructor(pages: number, { journal, leaseMs = UNLIMITED, tombstoneMs = UNLIMITED }: Times = {}) {
    const limits = { tombstonesMax: UNLIMITED, tombstoneMs, holdersMax: UNLIMITED, retainedMax: 0 };
    this.#store = new Store({ pages, pageBytes: 1, leaseMs, ...limits }, (step) => journal?.store(step));
    this.#actor = new StoreActor(this.#store, this.#clock, {
      onEffect: () => undefined,
      onBroken: (invariant) => {
        throw new RangeError(invariant);
      },
    });
  }

  get view(): StoreView {
    return this.#store.details;
  }

  remembered(request: string): number {
    return this.#actor.view.remembered(request).length;
  }

  grant(epoch: string): void {
    this.run({ type: 'grant', grant: `grant-${epoch}`, epoch });
  }

  /** One request of one batch. */
  allocate(holder: HolderId, keys: readonly string[]): void {
    const { epoch } = holder;
    const lengths = keys.map(() => 1);
    const batch = { batch: 0, last: true, totalChunks: keys.length, keys, lengths };
    this.run({ type: 'allocate', holder, grant: `grant-${epoch}`, ...batch });
  }

  /** Runs a command and all turns that follow, without a measurement. */
  run(command: StoreCommand): void {
    this.#actor.execute(command);
    for (let turn = this.#clock.next(); turn !== undefined; turn = this.#clock.next()) turn();
  }

  /** The longest turn of these commands, in milliseconds. */
  async longestTurn(commands: Iterable<StoreCommand>): Promise<number> {
    const watch = new Stopwatch();
    for (const command of commands) {
      await watch.time(() => this.#actor.execute(command));
      for (let turn = this.#clock.next(); turn !== undefined; turn = this.#clock.next()) await watch.time(turn);
    }
    return watch.longestMs;
  }

  /** Checks the invariants as the owner does in each sweep. */
  check(): void {
    this.#actor.check();
  }

  /** Time passes. */
  later(ms: number): void {
    this.#clock.later(ms);
  }
}
