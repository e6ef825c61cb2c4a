/** Checks the rules that must hold after every step, and that no resource is in use once the simulated world is quiet. */
import type { StoreDescription } from '../../../store/description.js';
import type { MemorySlice } from '../memory-fabric/slice.js';
import type { SimulatedAgent } from '../simulated-agent.js';
import { holdsChunk, PAGE_BYTES } from './chunk.js';
import type { SimulatedDecodeEngine } from './decode-engine.js';
import type { Ledger } from './ledger.js';
import type { SimulatedPrefillEngine } from './prefill-engine.js';
import type { World } from './world.js';

export class Checks {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #engines: readonly SimulatedDecodeEngine[];
  readonly #prefillEngines: readonly SimulatedPrefillEngine[];
  /** The activity of each life when it was last checked. Without activity, nothing has changed. */
  readonly #checkedAt = new WeakMap<SimulatedAgent, number>();
  /** Agents whose admission queue is not empty. */
  readonly #full = new Set<string>();

  constructor(
    world: World,
    ledger: Ledger,
    engines: readonly SimulatedDecodeEngine[],
    prefillEngines: readonly SimulatedPrefillEngine[],
  ) {
    this.#world = world;
    this.#ledger = ledger;
    this.#engines = engines;
    this.#prefillEngines = prefillEngines;
    const { landed } = world.fabrics;
    world.fabrics.landed = (slice, accepted) => {
      landed(slice, accepted);
      if (accepted) this.#checkLanding(slice);
    };
  }

  /** Checks the agents and the decode engines. Call it after every step. */
  step(): void {
    for (const life of this.#world.living()) {
      if (this.#checkedAt.get(life) === life.activity) continue;
      this.#checkedAt.set(life, life.activity);
      const inspected = life.agent.inspectStore();
      if (inspected === undefined) continue;
      if (inspected.broken !== undefined) this.#world.violate('store', `${life.address}: ${inspected.broken}`);
      this.#world.waits.observe(life.address, this.#world.now, inspected.store);
      this.#world.grants.observe(life.address, this.#world.now, inspected.store);
      this.#world.sources.observe(this.#world.now, inspected.store);
      this.#countWaits(life.address, inspected.store.queue.length > 0);
      this.#checkPages(life, inspected.store);
      this.#checkLeases(life, inspected.store);
    }
    for (const engine of this.#engines) engine.check();
  }

  /** True if every accepted request has ended, no agent has a request or uses a page, and engines have their memory back. */
  async isIdle(): Promise<boolean> {
    if (this.#ledger.open().length > 0) return false;
    if (this.#prefillEngines.some((engine) => engine.slotsOut > 0)) return false;
    for (const name of this.#world.slots.keys()) {
      const status = await this.#world.attempt(`status of ${name}`, () => this.#world.observer.status(name));
      if (status === undefined || status.requestsTotal > 0 || status.queued > 0) return false;
      const { pages } = status;
      if (pages !== undefined && pages.free + pages.retained !== pages.total) return false;
    }
    return true;
  }

  /** Checks that every request ended and every agent is idle. Call it when nothing can be in progress any more. */
  async quiet(): Promise<void> {
    this.#ledger.checkAllEnded();
    for (const { plan, life } of this.#world.slots.values()) {
      const status = await this.#world.attempt(`status of ${plan.name}`, () => this.#world.observer.status(plan.name));
      if (status === undefined || status.epoch !== life?.epoch) {
        this.#world.violate('answers', `agent ${plan.name} does not answer`);
        return;
      }
      const { pages, queued, staging, segments, requestsTotal, requests, counters } = status;
      const leak = (what: string) => this.#world.violate('nothing left', `at agent ${plan.name} ${what}`);
      if (pages !== undefined && pages.free + pages.retained !== pages.total)
        leak(`pages are in use: ${JSON.stringify(pages)}`);
      if (queued > 0) leak(`${queued} requests still wait for pages`);
      if ((staging?.inUse ?? 0) > 0) leak(`${staging?.inUse} staging pages are still in use`);
      for (const { segment, chunksInUse } of segments) {
        if (chunksInUse > 0) leak(`${chunksInUse} chunks of segment ${segment} are still in use`);
      }
      if (requestsTotal > 0) leak(`request ${requests[0]?.request} is still ${requests[0]?.state}`);
      if ((counters['actors_crashed'] ?? 0) > 0) this.#world.violate('crash', `an actor of agent ${plan.name} crashed`);
      await this.#checkRecords(plan.name);
    }
    for (const { agent, slotsOut } of this.#prefillEngines) {
      if (slotsOut > 0)
        this.#world.violate('nothing left', `${slotsOut} slots of the engine of ${agent} are still lent`);
    }
  }

  /** Counts a full arena once, however long it stays full. */
  #countWaits(address: string, waits: boolean): void {
    if (waits && !this.#full.has(address)) this.#world.struck('arenaFull');
    if (waits) this.#full.add(address);
    else this.#full.delete(address);
  }

  async #checkRecords(agent: string): Promise<void> {
    for (const { request } of this.#world.scenario.requests) {
      const status = await this.#world.attempt(`status of ${request}`, () =>
        this.#world.observer.status(agent, { request }),
      );
      for (const { end, epoch } of status?.requests ?? []) {
        if (end !== undefined) this.#ledger.checkRecorded({ request, epoch }, end, agent);
      }
    }
  }

  // --- the store ----------------------------------------------------------------------------------------------------

  /** Every page is free or has exactly one owner. The page of a ready key has the bytes of the key. */
  #checkPages({ address, agent }: SimulatedAgent, { pages, free, entries, quarantine }: StoreDescription): void {
    const owners = pages.map((): string[] => []);
    const own = (page: number, owner: string) => owners[page]?.push(owner);
    for (const page of free) own(page, 'free');
    for (const { page } of quarantine) own(page, 'quarantined');
    for (const { key, place } of entries) if (place !== null) own(place.page, key);
    const wrong = owners.findIndex((names) => names.length !== 1);
    if (wrong >= 0) this.#world.violate('one owner', `page ${wrong} of ${address} has the owners [${owners[wrong]}]`);
    const memory = this.#memoryOf(address, agent.epoch);
    for (const { key, ready, place } of entries) {
      if (!ready) continue;
      if (place === null || memory === undefined || !holdsChunk(memory, place.page * PAGE_BYTES, key)) {
        this.#world.violate('no ready without bytes', `${key} is ready at ${address}, but its page has other bytes`);
      }
    }
  }

  /** The leases of keys and of requests agree. A ready request leases only ready keys. Every other ended request has none. */
  #checkLeases({ address }: SimulatedAgent, { entries, holders, tombstones }: StoreDescription): void {
    const byKey = new Map(entries.map((entry) => [entry.key, entry]));
    const dead = new Set(tombstones.filter(({ end }) => end !== 'ready').map(({ holder }) => holder));
    let leases = 0;
    for (const holder of holders) {
      leases += holder.leases.length;
      for (const key of holder.leases) {
        const entry = byKey.get(key);
        if (entry === undefined || !entry.holders.includes(holder.name)) {
          this.#world.violate('leases', `${holder.name} leases ${key}, but ${address} has no such lease on the key`);
        } else if (holder.state === 'ready' && !entry.ready) {
          this.#world.violate('no ready without bytes', `${holder.name} is ready at ${address} without ${key}`);
        }
      }
      if (dead.has(holder.name) && holder.leases.length > 0) {
        this.#world.violate(
          'leases',
          `${holder.name} did not end ready, but still leases ${holder.leases} at ${address}`,
        );
      }
    }
    const held = entries.reduce((total, entry) => total + entry.holders.length, 0);
    if (held !== leases) {
      this.#world.violate('leases', `keys of ${address} count ${held} leases, its requests count ${leases}`);
    }
  }

  // --- writes -------------------------------------------------------------------------------------------------------

  /** A write may land only in a page that it owns, or that is quarantined for its remote key. */
  #checkLanding({ from, to, grantId, targetOffset }: MemorySlice): void {
    const life = this.#world.lives.get(to);
    const inspected = life?.agent.inspectStore();
    if (life === undefined || inspected === undefined) return;
    const page = Math.floor(targetOffset / PAGE_BYTES);
    const { entries, free, quarantine } = inspected.store;
    const entry = entries.find(({ place }) => place?.page === page);
    const what = `a write of ${from} into page ${page} of ${to}`;
    if (free.includes(page)) this.#world.violate('owned pages', `${what}, which is free`);
    const quarantined = quarantine.find((other) => other.page === page);
    if (quarantined !== undefined && quarantined.grant !== grantId) {
      this.#world.violate('owned pages', `${what}, which is quarantined for another remote key`);
    }
    if (entry === undefined) return;
    if (entry.ready) this.#world.violate('owned pages', `${what}, which is ready`);
    else if (entry.place?.grant !== grantId)
      this.#world.violate('owned pages', `${what}, which another remote key is writing`);
    const memory = this.#memoryOf(to, life.epoch);
    if (memory !== undefined && !holdsChunk(memory, targetOffset, entry.key)) {
      this.#world.violate('bytes', `${what} has other bytes than those of ${entry.key}`);
    }
  }

  #memoryOf(address: string, epoch: string): Uint8Array | undefined {
    const agent = address.slice(0, -epoch.length - 1);
    return this.#world.fabrics.files.get(`/arena/kvferry-${agent}-${epoch}-arena`);
  }
}
