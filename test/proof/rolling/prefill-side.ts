/** The engines beside the prefill agents. Each has its own memory and connection, and outlives the processes of its agent. */
import { join } from 'node:path';
import { fillPage } from '../../../src/cli/demo/pattern.js';
import type { OutgoingRequest, RequestPlan } from '../../../src/client/outgoing-request.js';
import { PrefillEngine } from '../../../src/client/prefill-engine.js';
import { RequestEnds } from '../../../src/client/request-ends.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import type { SourceChunk } from '../../../src/client/source-memory.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { poll } from '../../../src/processes/within.js';
import { CHUNK_BYTES, type RollingCluster } from './rolling-cluster.js';

/** Enough for every prompt in progress, also while the next process of the agent is not alone. */
const SLOTS = 1024;
const CALL_TIMEOUT_MS = 1500;
const FILL_TIMEOUT_MS = 20_000;
/** More than the time after which an engine asks for lost events, and a heartbeat. */
const FREE_TIMEOUT_MS = 8_000;

export class PrefillSide {
  readonly #engines: ReadonlyMap<string, PrefillEngine>;

  private constructor(engines: ReadonlyMap<string, PrefillEngine>) {
    this.#engines = engines;
  }

  static async open(cluster: RollingCluster, teardown: Teardown): Promise<PrefillSide> {
    const engines = new Map<string, PrefillEngine>();
    for (const { name, role } of cluster.slots) {
      if (role === 'decode') continue;
      const client = await cluster.connect(`engine of ${name}`);
      const memory = await SharedFile.create(join(cluster.directory, `engine-${name}`), SLOTS * CHUNK_BYTES);
      teardown.defer(() => memory.close());
      const ends = new RequestEnds(client);
      engines.set(
        name,
        await PrefillEngine.open({
          ...{ client, agent: name, segment: `engine-${name}`, memory, ends },
          ...{ slotBytes: CHUNK_BYTES, callTimeoutMs: CALL_TIMEOUT_MS },
        }),
      );
    }
    return new PrefillSide(engines);
  }

  /** Computes the chunks of a prompt: their bytes are in the memory of the engine then. */
  fill(agent: string, keys: readonly string[]): Promise<SourceChunk[]> {
    const chunks = keys.map((key) => ({ key, bytes: () => bytesOf(key) }));
    return this.#at(agent).fill(chunks, AbortSignal.timeout(FILL_TIMEOUT_MS));
  }

  begin(agent: string, plan: RequestPlan): OutgoingRequest {
    return this.#at(agent).begin(plan);
  }

  /** Gives back chunks that were filled and will not be put. */
  discard(agent: string, chunks: readonly SourceChunk[]): void {
    this.#at(agent).discard(chunks);
  }

  /** Waits for the memory of the engines, and ends their sessions. Resolves to what is wrong, as text. */
  async close(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [agent, engine] of this.#engines) {
      const allFree = async () => engine.slots.free === engine.slots.total || undefined;
      await poll(FREE_TIMEOUT_MS, allFree);
      const { total, free } = engine.slots;
      if (free < total) wrong.push(`the engine of ${agent}: ${total - free} slots did not come back`);
      await engine.close().catch((error: unknown) => wrong.push(`the engine of ${agent}: ${String(error)}`));
    }
    return wrong;
  }

  #at(agent: string): PrefillEngine {
    return this.#engines.get(agent) as PrefillEngine;
  }
}

function bytesOf(key: string): Buffer {
  const bytes = Buffer.alloc(CHUNK_BYTES);
  fillPage(bytes, key);
  return bytes;
}
