/** For the tests of the store: a store on a clock that the test sets. Its invariants are checked after every command. */
import { expect } from 'vitest';
import { RequestEndedError } from '../../src/protocol/codec.js';
import { type ErrorCode, isKvferryError } from '../../src/protocol/errors.js';
import type { End } from '../../src/protocol/subjects.js';
import type { HolderId } from '../../src/store/holder.js';
import type { StoreCommand, StoreEffect } from '../../src/store/messages.js';
import type { StoreOptions } from '../../src/store/options.js';
import { Store, type StoreResult } from '../../src/store/store.js';

export const defaults: StoreOptions = {
  pages: 4,
  pageBytes: 100,
  leaseMs: 1000,
  tombstonesMax: 100,
  tombstoneMs: 10_000,
  holdersMax: 100,
  retainedMax: 0,
};

/** Bytes of a chunk in tests that do not depend on its length. */
const CHUNK_BYTES = 10;

type Allocate = Extract<StoreCommand, { type: 'allocate' }>;
type Allocated = Extract<StoreEffect, { type: 'allocated' }>;
type HandedOver = Extract<StoreEffect, { type: 'handed.over' }>;

/** A request of sender `e1`, or of the sender before the slash, as in `e2/a`. */
export function holderOf(name: string): HolderId {
  const [epoch, request] = name.includes('/') ? name.split('/', 2) : ['e1', name];
  return { request: request as string, epoch: epoch as string };
}

/** One whole request in one batch, unless `rest` differs. */
export function allocate(holder: string, keys: readonly string[], rest: Partial<Allocate> = {}): Allocate {
  return {
    type: 'allocate',
    holder: holderOf(holder),
    grant: `grant-${holderOf(holder).epoch}`,
    batch: 0,
    last: true,
    totalChunks: keys.length,
    keys,
    lengths: keys.map(() => CHUNK_BYTES),
    ...rest,
  };
}

/** The effect that answers a batch: no page and no deduplicated chunk, unless `allocation` has them. */
export function allocated(holder: string, allocation: Partial<Allocated['allocation']>, rest: Partial<Allocated> = {}) {
  const whole = { pages: [], generations: [], alreadySent: [], joined: [], ...allocation };
  return {
    type: 'allocated',
    holder: holderOf(holder),
    batch: 0,
    last: true,
    grant: `grant-${holderOf(holder).epoch}`,
    allocation: whole,
    bytes: whole.pages.length * CHUNK_BYTES,
    first: true,
    ...rest,
  } satisfies Allocated;
}

export function queued(holder: string, charge: number, batch = 0) {
  return { type: 'queued', holder: holderOf(holder), batch, charge, held: false } satisfies StoreEffect;
}

/** The batch waits for the turn of its rank. */
export function held(holder: string, charge: number, batch = 0) {
  return { ...queued(holder, charge, batch), held: true } satisfies StoreEffect;
}

export function chunksReady(holder: string, written: number, joined: number, batch = 0) {
  return { type: 'chunks.ready', holder: holderOf(holder), batch, written, joined } satisfies StoreEffect;
}

export function leasesEnded(holder: string, cause: 'released' | 'expired') {
  return { type: 'leases.ended', holder: holderOf(holder), cause } satisfies StoreEffect;
}

export function pagesFreed(count: number) {
  return { type: 'pages.freed', count } satisfies StoreEffect;
}

/** The reason of every failure in these tests. */
export const reason = { code: 'cancelled_by_caller', message: 'the test gave up' } as const;

/** The effect that hands keys at `positions` of a batch to `holder`, because `from` is gone. */
export function handedOver(
  holder: string,
  from: string,
  handOver: { positions: readonly number[]; pages: readonly number[]; generations: readonly number[] },
  rest: Partial<HandedOver> = {},
) {
  return {
    type: 'handed.over',
    holder: holderOf(holder),
    batch: 0,
    part: 1,
    grant: `grant-${holderOf(holder).epoch}`,
    ...handOver,
    bytes: handOver.positions.length * CHUNK_BYTES,
    from: { writer: holderOf(from), reason },
    ...rest,
  } satisfies HandedOver;
}

export class TestStore {
  readonly #store: Store;
  readonly #allocations = new Map<string, Allocated>();
  nowMs = 0;

  /** Senders `e1`, `e2` and `e3` have one remote key each: `grant-e1`, `grant-e2` and `grant-e3`. */
  constructor(options: Partial<StoreOptions> = {}) {
    this.#store = new Store({ ...defaults, ...options });
    for (const epoch of ['e1', 'e2', 'e3']) this.grant(`grant-${epoch}`, epoch);
  }

  /** Runs a command and checks the invariants, whether the command was accepted or not. */
  run<C extends StoreCommand>(command: C): StoreResult<C> {
    try {
      const result = this.#store.execute(command, this.nowMs);
      for (const effect of result.effects) {
        if (effect.type === 'allocated') this.#allocations.set(batchName(effect.holder, effect.batch), effect);
      }
      return result;
    } finally {
      expect(this.brokenInvariant(), `the invariants after ${JSON.stringify(command)}`).toBeUndefined();
    }
  }

  /** The refusal of a command. The command must not change the store. */
  refusal(command: StoreCommand): { code: ErrorCode; field: string | undefined; end?: End } {
    const before = this.state();
    try {
      this.run(command);
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      expect(this.state()).toEqual(before);
      const { code, field } = error;
      return error instanceof RequestEndedError ? { code, field, end: error.end } : { code, field };
    }
    throw new Error(`accepted: ${JSON.stringify(command)}`);
  }

  allocate(...parameters: Parameters<typeof allocate>): readonly StoreEffect[] {
    return this.run(allocate(...parameters)).effects;
  }

  /** The sender's commit of this batch: the bytes of all its allocated pages have been delivered. */
  commitOf(holder: string, batch = 0): Extract<StoreCommand, { type: 'commit' }> {
    const effect = this.#allocations.get(batchName(holderOf(holder), batch));
    if (effect === undefined) throw new Error(`batch ${batch} of ${holder} has no allocation`);
    const { pages, generations } = effect.allocation;
    const lengths = pages.map(() => CHUNK_BYTES);
    return { type: 'commit', holder: holderOf(holder), batch, part: 0, pages, generations, lengths };
  }

  /** Commits chunks that were handed over. */
  commitPart(
    holder: string,
    part: { part: number; pages: readonly number[]; generations: readonly number[] },
  ): readonly StoreEffect[] {
    const lengths = part.pages.map(() => CHUNK_BYTES);
    return this.run({ type: 'commit', holder: holderOf(holder), batch: 0, lengths, ...part }).effects;
  }

  commit(holder: string, batch = 0): readonly StoreEffect[] {
    return this.run(this.commitOf(holder, batch)).effects;
  }

  end(holder: string, end: End): readonly StoreEffect[] {
    return this.run({ type: 'end', holder: holderOf(holder), end, reason: end === 'ready' ? undefined : reason })
      .effects;
  }

  /** A request that has arrived completely and was not acquired yet. */
  makeReady(holder: string, keys: readonly string[]): void {
    this.allocate(holder, keys);
    this.commit(holder);
    this.end(holder, 'ready');
  }

  drained(holder: string): readonly StoreEffect[] {
    return this.run({ type: 'drained', holder: holderOf(holder) }).effects;
  }

  grant(grant: string, epoch = 'e1'): readonly StoreEffect[] {
    return this.run({ type: 'grant', grant, epoch }).effects;
  }

  fence(grant: string): readonly StoreEffect[] {
    return this.run({ type: 'fence', grant }).effects;
  }

  acquire(holder: string, keys?: readonly string[]) {
    return this.run({ type: 'acquire', holder: holderOf(holder), keys });
  }

  release(holder: string, keys?: readonly string[]) {
    return this.run({ type: 'release', holder: holderOf(holder), keys });
  }

  expire(): readonly StoreEffect[] {
    return this.run({ type: 'expire' }).effects;
  }

  tombstone(holder: string) {
    return this.#store.tombstone(holderOf(holder));
  }

  brokenInvariant(): string | undefined {
    return this.#store.brokenInvariant();
  }

  /** The number of pages in each state, and of waiting requests. Zeros are left out. */
  state(): Record<string, number> {
    const { total, ...counts } = this.#store.pageCounts();
    const { free, writing, ready, quarantined } = counts;
    expect(free + writing + ready + quarantined).toBe(total);
    return Object.fromEntries(
      Object.entries({ ...counts, waiting: this.#store.waiting }).filter(([, count]) => count > 0),
    );
  }
}

function batchName(holder: HolderId, batch: number): string {
  return `${holder.epoch}/${holder.request}/${batch}`;
}
