/** An engine that computes prompts beside a prefill agent: its chunks lie in its own memory or in pages that the agent lends. */
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { OutgoingRequest } from '../../../client/outgoing-request.js';
import { PrefillEngine } from '../../../client/prefill-engine.js';
import type { RequestEnds } from '../../../client/request-ends.js';
import type { SourceChunk, SourceMemory } from '../../../client/source-memory.js';
import { chunkOf, overwrite, PAGE_BYTES } from './chunk.js';
import { EngineProcess } from './engine-process.js';
import type { FaultInjector } from './fault-injector.js';
import type { Ledger } from './ledger.js';
import { isOffered } from './offers.js';
import type { RequestPlan } from './scenario.js';
import { CALL_MS, SESSION_MS } from './timing.js';
import type { World } from './world.js';

const SEGMENT = 'engine';
const CHUNKS = 256;
const OPEN_AGAIN_MS = 200;
const SESSION_DIGITS = 16;
const HEXADECIMAL = 16;

export class SimulatedPrefillEngine {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #injector: FaultInjector;
  readonly agent: string;
  readonly #process: EngineProcess;
  readonly #client: KvferryClient;
  readonly #ends: RequestEnds;
  readonly #memory: SourceMemory;
  /** Undefined until its memory is attached for the first time, and after its death. */
  #engine: PrefillEngine | undefined;
  #isDead = false;
  #sessions = 0;

  constructor(world: World, ledger: Ledger, injector: FaultInjector, ends: RequestEnds, agent: string) {
    this.#world = world;
    this.#ledger = ledger;
    this.#injector = injector;
    this.agent = agent;
    this.#ends = ends;
    this.#memory = memoryOf(world, `/engine/${agent}`);
    this.#process = new EngineProcess(world, agent);
    this.#client = new KvferryClient(this.#process.control, { timeoutMs: CALL_MS });
    injector.onEngineDeath((target) => {
      if (target === agent) this.#die();
    });
    let isOpening = false;
    world.onStarted((slot) => {
      if (slot.plan.name !== agent || isOpening) return;
      isOpening = true;
      void this.#open();
    });
    for (const plan of world.scenario.requests) {
      if (plan.sender === agent) world.at(plan.atMs, () => void this.#put(plan));
    }
  }

  /** Slots of its memory that have not come back. */
  get slotsOut(): number {
    if (this.#engine === undefined) return 0;
    const { total, free } = this.#engine.slots;
    return total - free;
  }

  /** The engine is killed, and its memory vanishes. */
  #die(): void {
    this.#isDead = true;
    this.#engine = undefined;
    this.#process.die();
    this.#world.fabrics.files.delete(this.#memory.path);
  }

  /** Sessions have names of 16 hexadecimal digits, which no other engine of the world has. */
  #newSession(): string {
    this.#sessions += 1;
    const engine = [...this.#world.slots.keys()].indexOf(this.agent);
    return `${engine}${this.#sessions.toString(HEXADECIMAL).padStart(SESSION_DIGITS - 1, '0')}`;
  }

  async #open(): Promise<void> {
    while (this.#engine === undefined && !this.#isDead) {
      this.#engine = await this.#world.attempt('open', () =>
        PrefillEngine.open({
          client: this.#client,
          agent: this.agent,
          ends: this.#ends,
          clock: this.#process.clock,
          silentMs: SESSION_MS,
          newSession: () => this.#newSession(),
          segment: SEGMENT,
          memory: this.#memory,
          slotBytes: PAGE_BYTES,
          // A put that is sent again after a restart is another request (docs/protocol.md): each plan is put once.
          patienceMs: 0,
          onReleased: (offsets) => this.#reuse(offsets),
        }),
      );
      if (this.#engine === undefined) await this.#world.sleep(OPEN_AGAIN_MS);
    }
  }

  async #put(plan: RequestPlan): Promise<void> {
    const world = this.#world;
    const { request, sender, receiver, timeoutMs, ranks, batches } = plan;
    const named = isOffered(plan) ? {} : { receiver };
    const outgoing = this.#engine?.begin({ request, ...named, totalChunks: batches.flat().length, timeoutMs, ranks });
    if (outgoing === undefined) return;
    for (const [batch, keys] of batches.entries()) {
      const last = batch === batches.length - 1;
      if (last && plan.unfinished) return;
      if (batch > 0) await world.sleep(plan.pauseMs);
      if (this.#isDead) return;
      const chunks = await this.#fill(plan, keys);
      if (chunks === undefined) return;
      if (batch === 0) this.#cancelLater(plan);
      const sentMs = world.now;
      const epoch = await world.attempt(`put ${request}/${batch}`, () => outgoing.put(chunks, { last }));
      if (epoch === undefined) return;
      const deadlineMs = world.now + timeoutMs / world.slot(this.agent).rate;
      this.#ledger.accept({
        request,
        part: { sender, receiver, epoch },
        batch,
        keys,
        last,
        sentMs,
        timeoutMs,
        deadlineMs,
      });
    }
    if (plan.late) this.#putLate(plan, outgoing);
  }

  /** A batch that comes when the end is known (P6). */
  #putLate(plan: RequestPlan, { epoch }: OutgoingRequest): void {
    const { request, receiver, batches, timeoutMs, ranks } = plan;
    const named = isOffered(plan) ? {} : { receiver };
    const late = { request, ...named, batch: batches.length, last: true, totalChunks: batches.flat().length };
    this.#ledger.onPublished((event) => {
      const epochs = event.ranks?.map((rank) => rank.epoch) ?? [event.epoch];
      if (event.request !== request || !epochs.some((one) => one === epoch)) return;
      void this.#world.attempt(`put ${request}/${late.batch}`, () =>
        this.#client.put(this.agent, { ...late, timeoutMs, keys: [], source: [], ranks }),
      );
    });
  }

  async #fill(plan: RequestPlan, keys: readonly string[]): Promise<readonly SourceChunk[] | undefined> {
    if (plan.staged && keys.length > 0) return this.#stage(plan, keys);
    return this.#engine?.fill(keys.map((key) => ({ key, bytes: chunkOf(key) })));
  }

  async #stage({ request }: RequestPlan, keys: readonly string[]): Promise<readonly SourceChunk[] | undefined> {
    const call = () => this.#client.stage(this.agent, { holder: request, pages: keys.length });
    const reply = await this.#world.attempt(`stage for ${request}`, call);
    if (reply === undefined) return undefined;
    const { segment, path, offsets } = reply;
    return keys.map((key, index) => {
      const bytes = chunkOf(key);
      const offset = offsets[index] as number;
      this.#world.fabrics.files.get(path)?.set(bytes, offset);
      return { key, segment, offset, length: bytes.length };
    });
  }

  /** What is given back is used for something else at once. */
  #reuse(offsets: readonly number[]): void {
    const bytes = this.#world.fabrics.files.get(this.#memory.path);
    if (bytes !== undefined) for (const offset of offsets) overwrite(bytes, offset);
  }

  #cancelLater({ request, sender, receiver, cancel }: RequestPlan): void {
    if (cancel === null) return;
    let messages = 0;
    this.#injector.onMessage(({ body }) => {
      if (!body.includes(`"request":"${request}"`)) return;
      messages += 1;
      if (messages !== cancel.afterMessages + 1) return;
      this.#world.struck('cancel');
      const span = { fromMs: this.#world.now, untilMs: Number.POSITIVE_INFINITY };
      this.#world.strikes.add('cancel', { request, ...span, mayEnd: true });
      const agent = cancel.side === 'sender' ? sender : receiver;
      const call = () => this.#client.cancel(agent, { request });
      this.#world.at(
        this.#world.now + cancel.delayMs,
        () => void this.#world.attempt(`cancel ${request} at ${agent}`, call),
      );
    });
  }
}

/** Source memory in the world's file system. */
function memoryOf({ fabrics }: World, path: string): SourceMemory {
  const bytes = new Uint8Array(CHUNKS * PAGE_BYTES);
  fabrics.files.set(path, bytes);
  return { path, bytes: bytes.length, write: (offset, chunk) => bytes.set(chunk, offset) };
}
