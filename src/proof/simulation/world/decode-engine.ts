/** An engine beside a decode agent: it reads the pages of ready requests under their leases, and checks every byte. */
import type { AcquiredChunks } from '../../../client/acquired-chunks.js';
import type { ArenaFile } from '../../../client/arena-file.js';
import { DecodeEngine, type Holder } from '../../../client/decode-engine.js';
import { KvferryClient } from '../../../client/kvferry-client.js';
import { KvferryError } from '../../../protocol/errors.js';
import type { TerminalEvent } from '../../../protocol/events.js';
import { holdsChunk } from './chunk.js';
import type { Ledger } from './ledger.js';
import type { Offers } from './offers.js';
import { engineOf } from './participants.js';
import type { RequestPlan } from './scenario.js';
import { CALL_MS, LEASE_MS } from './timing.js';
import type { World } from './world.js';

/** Pages that are leased: until then their bytes must not change. */
interface Reading {
  readonly request: string;
  readonly address: string;
  readonly path: string;
  readonly offsets: ReadonlyMap<string, number>;
  readonly fromMs: number;
  readonly untilMs: number;
}

export class SimulatedDecodeEngine {
  readonly #world: World;
  readonly #agent: string;
  readonly #offers: Offers;
  readonly #engine: DecodeEngine;
  readonly #readings = new Set<Reading>();
  /** Pages that were read and checked. */
  pagesRead = 0;

  constructor(world: World, ledger: Ledger, agent: string) {
    this.#world = world;
    this.#agent = agent;
    this.#offers = ledger.offers;
    const client = new KvferryClient(world.network.connect(engineOf(agent)));
    const open = (path: string) => openArena(world, path);
    this.#engine = new DecodeEngine({ client, agent, callTimeoutMs: CALL_MS, clock: world.clock, openArena: open });
    const publishedMs = new Map<TerminalEvent['request'], number>();
    ledger.onPublished(({ request }, atMs) => publishedMs.set(request, publishedMs.get(request) ?? atMs));
    client.onTerminal((event) => {
      if (event.end !== 'ready') return;
      for (const { sender, receiver, epoch } of event.ranks ?? [event]) {
        const plan = world.scenario.requests.find((one) => one.request === event.request && one.sender === sender);
        if (plan === undefined || receiver !== agent) continue;
        void this.#use(plan, { request: event.request, epoch }, publishedMs.get(event.request) ?? world.now);
      }
    });
  }

  /** The bytes that are being read, at this very moment. */
  check(): void {
    for (const reading of this.#readings) {
      const { request, address, path, offsets, fromMs, untilMs } = reading;
      // A clock that steps forward ends leases early.
      const isOver = this.#world.now >= untilMs || this.#world.slot(this.#agent).steppedMs >= fromMs;
      if (isOver || this.#world.isDead(address)) {
        this.#readings.delete(reading);
        continue;
      }
      const memory = this.#world.fabrics.files.get(path) ?? new Uint8Array();
      for (const [key, offset] of offsets) {
        if (!holdsChunk(memory, offset, key))
          this.#world.violate('leased bytes', `${request} reads wrong bytes of ${key}`);
      }
    }
  }

  async #use(plan: RequestPlan, holder: Holder, publishedMs: number): Promise<void> {
    const world = this.#world;
    if (plan.use === 'never') {
      world.struck('neverReleases');
      return;
    }
    if (plan.use === 'releases') {
      await this.#release(holder);
      return;
    }
    const epochThen = world.slot(this.#agent).life?.epoch;
    const askedMs = world.now;
    const found = await world.attempt(`acquire ${plan.request}`, () => this.#engine.acquire(holder));
    if (found === undefined || found.arena.epoch !== epochThen) return;
    const leaseMs = LEASE_MS / world.slot(this.#agent).rate;
    const isLeased = world.now < publishedMs + leaseMs && world.slot(this.#agent).steppedMs < publishedMs;
    const travelled = plan.batches.flat().slice(this.#offers.skippedOf(holder));
    this.#checkComplete(plan.request, travelled, found, isLeased);
    const reading = this.#read(plan, found, askedMs, askedMs + leaseMs);
    if (reading === undefined) return;
    await world.sleep(plan.holdMs);
    // An engine that has asked for the release must not read any more.
    this.#readings.delete(reading);
    await this.#release(holder);
  }

  /** `keys`: those that travelled, or were there already. */
  #checkComplete(request: string, keys: readonly string[], { places, missing }: AcquiredChunks, leased: boolean): void {
    const lost = keys.filter((key) => !places.has(key));
    if (leased && lost.length > 0) {
      this.#world.violate('ready with its bytes', `${request} is ready without ${lost} (missing: ${missing})`);
    }
    if (places.size > keys.length) {
      this.#world.violate('offered', `${request} has ${[...places.keys()]}, and only ${keys} were to travel`);
    }
  }

  #read(plan: RequestPlan, { arena, places }: AcquiredChunks, askedMs: number, untilMs: number): Reading | undefined {
    const life = this.#world.slot(this.#agent).life;
    if (life === undefined || life.epoch !== arena.epoch) return undefined;
    const offsets = new Map([...places].map(([key, { offset }]) => [key, offset]));
    const reading = {
      request: plan.request,
      address: life.address,
      path: arena.path ?? '',
      offsets,
      fromMs: askedMs,
      untilMs,
    };
    this.#readings.add(reading);
    this.pagesRead += offsets.size;
    this.check();
    return reading;
  }

  async #release(holder: Holder): Promise<void> {
    await this.#world.attempt(`release ${holder.request}`, () => this.#engine.release(holder));
  }
}

/** Arenas are in the world's file system, and pages are looked at where they lie. */
async function openArena({ fabrics }: World, path: string): Promise<ArenaFile> {
  const memory = fabrics.files.get(path);
  if (memory === undefined) throw new KvferryError('receiver_lost', `there is no arena ${path}`);
  return {
    read: async (into, offset) => into.set(memory.subarray(offset, offset + into.length)),
    close: async () => undefined,
  };
}
