/** What decodes beside a decode agent: it reads the pages of ready requests under their leases, and checks every byte. */
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { TerminalEvent } from '../../../protocol/events.js';
import type { OperationReply } from '../../../protocol/operations.js';
import type { HolderId } from '../../../store/holder.js';
import { holdsChunk } from './chunk.js';
import type { Ledger } from './ledger.js';
import type { RequestPlan } from './scenario.js';
import { CALL_MS, LEASE_MS } from './timing.js';
import type { World } from './world.js';

/** Pages that are leased: until then their bytes must not change. */
interface Reading {
  readonly request: string;
  readonly address: string;
  readonly path: string;
  readonly offsets: ReadonlyMap<string, number>;
  untilMs: number;
}

export class DecodeEngine {
  readonly #world: World;
  readonly #agent: string;
  readonly #client: KvferryClient;
  readonly #readings = new Set<Reading>();
  /** Pages that were read and checked. */
  pagesRead = 0;

  constructor(world: World, ledger: Ledger, agent: string) {
    this.#world = world;
    this.#agent = agent;
    this.#client = new KvferryClient(world.network.connect(`engine-${agent}`), { timeoutMs: CALL_MS });
    const publishedMs = new Map<TerminalEvent['request'], number>();
    ledger.onPublished(({ request }, atMs) => publishedMs.set(request, publishedMs.get(request) ?? atMs));
    this.#client.onTerminal((event) => {
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
      const { request, address, path, offsets, untilMs } = reading;
      if (this.#world.now >= untilMs || this.#world.isDead(address)) {
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

  async #use(plan: RequestPlan, holder: HolderId, publishedMs: number): Promise<void> {
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
    const { request, epoch } = holder;
    const askedMs = world.now;
    const call = () => this.#client.acquire(this.#agent, { request, epoch });
    const acquired = await world.attempt(`acquire ${request}`, call);
    if (acquired === undefined || acquired.arena.epoch !== epochThen) return;
    const leaseMs = LEASE_MS / world.slot(this.#agent).rate;
    this.#checkComplete(plan, acquired, world.now < publishedMs + leaseMs);
    const reading = this.#read(plan, acquired, askedMs + leaseMs);
    if (reading === undefined) return;
    await world.sleep(plan.holdMs);
    // Whoever has asked for the release must not read any more.
    this.#readings.delete(reading);
    await this.#release(holder);
  }

  #checkComplete(plan: RequestPlan, { keys, missing }: OperationReply<'acquire'>, leased: boolean): void {
    const all = plan.batches.flat();
    const found = new Set(keys);
    const lost = all.filter((key) => !found.has(key));
    if (leased && lost.length > 0) {
      this.#world.violate('ready with its bytes', `${plan.request} is ready without ${lost} (missing: ${missing})`);
    }
  }

  #read(plan: RequestPlan, { arena, keys, pages }: OperationReply<'acquire'>, untilMs: number): Reading | undefined {
    const life = this.#world.slot(this.#agent).life;
    if (life === undefined || life.epoch !== arena.epoch) return undefined;
    const offsets = new Map(keys.map((key, index) => [key, (pages[index] as number) * arena.pageBytes]));
    const reading = { request: plan.request, address: life.address, path: arena.path, offsets, untilMs };
    this.#readings.add(reading);
    this.pagesRead += offsets.size;
    this.check();
    return reading;
  }

  async #release({ request, epoch }: HolderId): Promise<void> {
    await this.#world.attempt(`release ${request}`, () => this.#client.release(this.#agent, { request, epoch }));
  }
}
