/** The shipped store, with simulated senders and messages. Messages take time and are never lost. */
import type { StoreCommand, StoreEffect } from '../../src/store/messages.js';
import { Store } from '../../src/store/store.js';
import type { ArenaContents, PlacedKey } from './arena-contents.js';
import { MESSAGE_MS, type Outcome, type System } from './system.js';
import type { Timeline } from './timeline.js';
import { SENDERS, type WorkloadRequest } from './workload.js';

const HOLDERS_MAX = 100_000;
const LEASE_MS = 3_600_000;

type BatchEffect = Exclude<StoreEffect, { type: 'pages.freed' | 'leases.ended' | 'queued' }>;

interface Arriving {
  readonly request: WorkloadRequest;
  readonly outcome: Outcome;
  readonly chunks: number;
  ready: number;
  /** Writes of the sender that are under way. */
  writes: number;
  over: boolean;
}

export class KvferrySystem implements System {
  readonly #store: Store;
  readonly #timeline: Timeline;
  readonly #contents: ArenaContents;
  readonly #arriving = new Map<string, Arriving>();

  constructor(pages: number, timeline: Timeline, contents: ArenaContents) {
    this.#timeline = timeline;
    this.#contents = contents;
    this.#store = new Store({
      pages,
      pageBytes: 1,
      leaseMs: LEASE_MS,
      tombstonesMax: HOLDERS_MAX,
      tombstoneMs: LEASE_MS,
      holdersMax: HOLDERS_MAX,
      retainedMax: 0,
    });
    for (let sender = 0; sender < SENDERS; sender += 1) {
      this.#execute({ type: 'grant', grant: grantOf(sender), epoch: epochOf(sender) });
    }
  }

  get freePages(): number {
    return this.#store.pageCounts().free;
  }

  put(request: WorkloadRequest, batch: number, outcome: Outcome): void {
    const chunks = request.batches.flat().length;
    if (batch === 0) {
      this.#arriving.set(request.name, { request, outcome, chunks, ready: 0, writes: 0, over: false });
    }
    const keys = request.batches[batch] ?? [];
    this.#message(() => {
      // A sender that gave the request up sends no more of it.
      if (this.#arriving.get(request.name)?.over !== false) return;
      const part = { batch, last: batch === request.batches.length - 1, totalChunks: chunks };
      const lengths = keys.map(() => 1);
      this.#execute({
        type: 'allocate',
        holder: holderOf(request),
        grant: grantOf(request.sender),
        ...part,
        keys,
        lengths,
      });
    });
  }

  abort(request: WorkloadRequest): void {
    const arriving = this.#arriving.get(request.name);
    if (arriving === undefined || arriving.over) return;
    arriving.over = true;
    this.#message(() => {
      if (this.#store.tombstone(holderOf(request)) !== undefined) return;
      this.#execute({ type: 'end', holder: holderOf(request), end: 'cancelled', reason: undefined });
      arriving.outcome.ended();
      this.#drainedWhenQuiet(arriving);
    });
  }

  release(request: WorkloadRequest): void {
    this.#arriving.delete(request.name);
    this.#execute({ type: 'release', holder: holderOf(request), keys: undefined });
  }

  #execute(command: StoreCommand): void {
    for (const effect of this.#store.execute(command, this.#timeline.nowMs).effects) this.#follow(effect);
  }

  #follow(effect: StoreEffect): void {
    if (effect.type === 'pages.freed' || effect.type === 'leases.ended' || effect.type === 'queued') return;
    const arriving = this.#arriving.get(effect.holder.request);
    if (arriving === undefined) return;
    const keys = arriving.request.batches[effect.batch] ?? [];
    this.#followFor(arriving, effect, keys);
  }

  #followFor(arriving: Arriving, effect: BatchEffect, keys: readonly string[]): void {
    switch (effect.type) {
      case 'allocated': {
        const { pages, generations, alreadySent, joined } = effect.allocation;
        const sent = new Set(alreadySent);
        const fresh = keys.filter((_, position) => !sent.has(position));
        this.#write(arriving, effect.batch, 0, fresh, pages, generations);
        this.#advance(arriving, alreadySent.length - joined.length);
        return;
      }
      case 'handed.over': {
        const handed = effect.positions.map((position) => keys[position] as string);
        this.#write(arriving, effect.batch, effect.part, handed, effect.pages, effect.generations);
        return;
      }
      case 'chunks.ready':
        this.#advance(arriving, effect.written + effect.joined);
        return;
      case 'refused':
        this.abort(arriving.request);
        return;
    }
  }

  /** The sender receives the pages, writes them, and commits. */
  #write(
    arriving: Arriving,
    batch: number,
    part: number,
    keys: readonly string[],
    pages: readonly number[],
    generations: readonly number[],
  ): void {
    if (pages.length === 0) return;
    this.#message(() => {
      if (arriving.over) return;
      arriving.writes += 1;
      const places = keys.map((key, index): PlacedKey => ({ key, page: pages[index] as number }));
      this.#contents.write(places, () => {
        arriving.writes -= 1;
        this.#drainedWhenQuiet(arriving);
        this.#message(() => {
          const holder = holderOf(arriving.request);
          if (arriving.over || this.#store.tombstone(holder) !== undefined) return;
          const lengths = pages.map(() => 1);
          this.#execute({ type: 'commit', holder, batch, part, pages, generations, lengths });
        });
      });
    });
  }

  /** A sender that gave up reports when none of its writes can land any more. */
  #drainedWhenQuiet(arriving: Arriving): void {
    if (!arriving.over || arriving.writes > 0) return;
    this.#message(() => this.#execute({ type: 'drained', holder: holderOf(arriving.request) }));
  }

  #advance(arriving: Arriving, chunks: number): void {
    arriving.ready += chunks;
    if (arriving.over || arriving.ready < arriving.chunks) return;
    const holder = holderOf(arriving.request);
    this.#execute({ type: 'end', holder, end: 'ready', reason: undefined });
    arriving.over = true;
    const { reply } = this.#store.execute({ type: 'acquire', holder, keys: undefined }, this.#timeline.nowMs);
    const found = new Map(reply.found.map(({ key, page }) => [key, page]));
    this.#message(() =>
      arriving.outcome.ready(
        arriving.request.batches.flat().map((key) => {
          const page = found.get(key);
          return page === undefined ? undefined : { key, page };
        }),
      ),
    );
  }

  #message(arrive: () => void): void {
    this.#timeline.after(MESSAGE_MS, arrive);
  }
}

function holderOf({ name, sender }: WorkloadRequest) {
  return { request: name, epoch: epochOf(sender) };
}

function grantOf(sender: number): string {
  return `grant ${sender}`;
}

function epochOf(sender: number): string {
  return `epoch ${sender}`;
}
