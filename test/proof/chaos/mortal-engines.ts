/**
 * Engines that die: each has its own connection and memory, puts prompts, and is gone without a word. Its successor makes the
 * file again, with other chunks at the same places. The agent must give back what the dead engine held, and send no byte of
 * one file as a chunk of the other.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connectClient } from '../../../src/client/connect-client.js';
import { PrefillEngine } from '../../../src/client/prefill-engine.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import { isKvferryError } from '../../../src/protocol/errors.js';
import type { AgentSlot } from './agent-slot.js';
import { CALL_TIMEOUT_MS, type ChaosCluster } from './chaos-cluster.js';
import { endOf, type Load } from './load.js';

const SEGMENT = 'mortal';
const SLOTS = 24;
const PROMPT_CHUNKS = 8;
const REQUEST_TIMEOUT_MS = 4000;
const SILENT_MS = 1500;
const LIFE_MS_MAX = 400;
const END_TIMEOUT_MS = 8000;
/** The segment of an engine is still read by its last writes. */
const OPEN_TIMEOUT_MS = 6000;

export class MortalEngines {
  deaths = 0;
  readonly #cluster: ChaosCluster;
  readonly #load: Load;
  readonly #path: string;
  /** Requests of engines that have died, until they are read or have failed. */
  readonly #open = new Set<Promise<void>>();

  /** `path`: of the file that every engine makes again. */
  constructor(cluster: ChaosCluster, load: Load, path: string) {
    this.#cluster = cluster;
    this.#load = load;
    this.#path = path;
  }

  /** Resolves when everything that the dead engines have put has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }

  /** One life, at an agent that is in service. */
  async liveOnce(): Promise<void> {
    const { prefill, decode, random } = this.#cluster;
    const sender = prefill.find(({ inService }) => inService);
    const receiver = decode.find(({ inService }) => inService);
    if (sender === undefined || receiver === undefined) return;
    const client = await connectClient({ servers: this.#cluster.nats.url, name: 'kvferry chaos engine' });
    const memory = await SharedFile.create(this.#path, SLOTS * this.#cluster.pool.chunkBytes);
    try {
      await this.#live(client, memory, sender, receiver);
      await delay(random.next() * LIFE_MS_MAX);
      this.deaths += 1;
    } catch (error) {
      // The agent may be killed, stopped or away at any time.
      if (!isKvferryError(error)) throw error;
    } finally {
      // No end of the session, no detach: the engine is gone, and so is the name of its file.
      await client.close();
      await memory.close();
      await memory.unlink();
    }
  }

  async #live(
    client: Awaited<ReturnType<typeof connectClient>>,
    memory: SharedFile,
    sender: AgentSlot,
    receiver: AgentSlot,
  ): Promise<void> {
    const { ends, pool } = this.#cluster;
    const engine = await PrefillEngine.open({
      ...{ client, agent: sender.name, segment: SEGMENT, memory, ends },
      ...{
        slotBytes: pool.chunkBytes,
        silentMs: SILENT_MS,
        patienceMs: OPEN_TIMEOUT_MS,
        callTimeoutMs: CALL_TIMEOUT_MS,
      },
    });
    for (let prompt = 0; prompt < SLOTS / PROMPT_CHUNKS; prompt += 1) {
      const keys = pool.fresh(PROMPT_CHUNKS);
      const chunks = await engine.fill(keys.map((key) => ({ key, bytes: pool.expected(key) })));
      const entry = await this.#load.putBy(engine, sender, receiver, chunks, REQUEST_TIMEOUT_MS);
      if (entry === undefined) return;
      const reading = this.#read(entry, keys).finally(() => this.#open.delete(reading));
      this.#open.add(reading);
    }
  }

  async #read(entry: NonNullable<Awaited<ReturnType<Load['putBy']>>>, keys: readonly string[]): Promise<void> {
    const ending = await endOf(entry, END_TIMEOUT_MS);
    if (ending?.event.end !== 'ready') return;
    const { reader, attempt } = this.#cluster;
    const reading = await attempt(() => reader.read(entry, keys, ending.atMs));
    await attempt(async () => reading?.release());
  }
}
