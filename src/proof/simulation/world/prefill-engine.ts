/** What computes prompts beside a prefill agent: its chunks lie in memory of its own or in pages that the agent lends. */
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { SourceReleasedEvent } from '../../../protocol/events.js';
import { chunkOf, overwrite, PAGE_BYTES } from './chunk.js';
import type { FaultInjector } from './fault-injector.js';
import type { Ledger } from './ledger.js';
import type { RequestPlan } from './scenario.js';
import { CALL_MS } from './timing.js';
import type { Slot, World } from './world.js';

const SEGMENT = 'engine';
const CHUNKS = 256;
const ATTACH_AGAIN_MS = 200;

/** Where the chunks of one batch lie. */
interface Place {
  readonly segment: string;
  readonly memory: Uint8Array;
  readonly offsets: readonly number[];
}

export class PrefillEngine {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #injector: FaultInjector;
  readonly #agent: string;
  readonly #client: KvferryClient;
  readonly #path: string;
  readonly #free: number[];
  /** Own memory that the agent may be reading, by request and batch. */
  readonly #lent = new Map<string, readonly number[]>();
  #attachedTo: string | undefined;

  constructor(world: World, ledger: Ledger, injector: FaultInjector, agent: string) {
    this.#world = world;
    this.#ledger = ledger;
    this.#injector = injector;
    this.#agent = agent;
    this.#path = `/engine/${agent}`;
    world.fabrics.files.set(this.#path, new Uint8Array(CHUNKS * PAGE_BYTES));
    this.#free = Array.from({ length: CHUNKS }, (_, chunk) => chunk * PAGE_BYTES);
    this.#client = new KvferryClient(world.network.connect(`engine-${agent}`), { timeoutMs: CALL_MS });
    this.#client.onSourceReleased(agent, (event) => this.#released(event));
    world.onStarted((slot) => {
      if (slot.plan.name === agent) void this.#attach(slot);
    });
    for (const plan of world.scenario.requests) {
      if (plan.sender === agent) world.at(plan.atMs, () => void this.#put(plan));
    }
  }

  async #attach(slot: Slot): Promise<void> {
    const { life } = slot;
    while (life !== undefined && slot.life === life) {
      const attached = await this.#world.attempt('attach', () =>
        this.#client.attach(this.#agent, { segment: SEGMENT, path: this.#path }),
      );
      if (attached !== undefined) {
        this.#attachedTo = life.epoch;
        return;
      }
      // The answer may have been lost: then it is attached.
      const status = await this.#world.attempt('status', () => this.#client.status(this.#agent));
      if (status?.segments.some(({ segment }) => segment === SEGMENT)) {
        this.#attachedTo = status.epoch;
        return;
      }
      await this.#world.sleep(ATTACH_AGAIN_MS);
    }
  }

  async #put(plan: RequestPlan): Promise<void> {
    const world = this.#world;
    let epoch: string | undefined;
    for (const [batch, keys] of plan.batches.entries()) {
      const last = batch === plan.batches.length - 1;
      if (last && plan.unfinished) return;
      if (batch > 0) await world.sleep(plan.pauseMs);
      const place = await this.#place(plan, keys);
      if (place === undefined) return;
      if (batch === 0) this.#cancelLater(plan);
      const reply = await this.#putBatch(plan, batch, place);
      if (reply === undefined) return;
      epoch = reply.epoch;
      const deadlineMs = world.now + plan.timeoutMs / world.slot(this.#agent).rate;
      const { request, sender, receiver } = plan;
      this.#ledger.accept({ request, part: { sender, receiver, epoch }, deadlineMs });
    }
    if (plan.late && epoch !== undefined) this.#putLate(plan, epoch);
  }

  async #putBatch(plan: RequestPlan, batch: number, place: Place): Promise<{ readonly epoch: string } | undefined> {
    const keys = plan.batches[batch] ?? [];
    const source = keys.map((key, index) => ({
      segment: place.segment,
      offset: place.offsets[index] as number,
      length: chunkOf(key).length,
    }));
    const { request, receiver, timeoutMs, ranks } = plan;
    const last = batch >= plan.batches.length - 1;
    const totalChunks = plan.batches.flat().length;
    return this.#world.attempt(`put ${request}/${batch}`, () =>
      this.#client.put(this.#agent, {
        request,
        receiver,
        batch,
        last,
        totalChunks,
        timeoutMs,
        keys: [...keys],
        source,
        ranks,
      }),
    );
  }

  /** A batch that comes when the end is known (P6). */
  #putLate(plan: RequestPlan, epoch: string): void {
    this.#ledger.onPublished((event) => {
      const epochs = event.ranks?.map((rank) => rank.epoch) ?? [event.epoch];
      if (event.request !== plan.request || !epochs.includes(epoch)) return;
      const place = { segment: SEGMENT, memory: new Uint8Array(), offsets: [] };
      void this.#putBatch(plan, plan.batches.length, place);
    });
  }

  async #place(plan: RequestPlan, keys: readonly string[]): Promise<Place | undefined> {
    const place = plan.staged && keys.length > 0 ? await this.#stage(plan, keys.length) : this.#ownPlace(plan, keys);
    for (const [index, key] of keys.entries()) place?.memory.set(chunkOf(key), place.offsets[index]);
    return place;
  }

  #ownPlace(plan: RequestPlan, keys: readonly string[]): Place | undefined {
    if (this.#attachedTo !== this.#world.slot(this.#agent).life?.epoch || this.#free.length < keys.length)
      return undefined;
    const offsets = this.#free.splice(0, keys.length);
    const batch = plan.batches.indexOf(keys);
    this.#lent.set(`${this.#attachedTo}/${plan.request}/${batch}`, offsets);
    return { segment: SEGMENT, memory: this.#memory(this.#path), offsets };
  }

  async #stage({ request }: RequestPlan, pages: number): Promise<Place | undefined> {
    const call = () => this.#client.stage(this.#agent, { holder: request, pages });
    const reply = await this.#world.attempt(`stage for ${request}`, call);
    if (reply === undefined) return undefined;
    return { segment: reply.segment, memory: this.#memory(reply.path), offsets: reply.offsets };
  }

  #memory(path: string): Uint8Array {
    return this.#world.fabrics.files.get(path) ?? new Uint8Array(CHUNKS * PAGE_BYTES);
  }

  /** What is given back is used for something else at once. */
  #released(event: SourceReleasedEvent): void {
    const offsets = this.#lent.get(`${event.epoch}/${event.request}/${event.batch}`) ?? [];
    for (const position of event.positions) {
      const offset = offsets[position];
      if (offset === undefined) continue;
      overwrite(this.#memory(this.#path), offset);
      this.#free.push(offset);
    }
  }

  #cancelLater({ request, sender, receiver, cancel }: RequestPlan): void {
    if (cancel === null) return;
    let messages = 0;
    this.#injector.onMessage(({ body }) => {
      if (!body.includes(`"request":"${request}"`)) return;
      messages += 1;
      if (messages !== cancel.afterMessages + 1) return;
      this.#world.struck('cancel');
      const agent = cancel.side === 'sender' ? sender : receiver;
      const call = () => this.#client.cancel(agent, { request });
      this.#world.at(this.#world.now, () => void this.#world.attempt(`cancel ${request} at ${agent}`, call));
    });
  }
}
