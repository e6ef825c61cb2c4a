/** The engines beside the decode agents: they read what is ready, compare every byte, and give it back. */
import { setTimeout as pause } from 'node:timers/promises';
import { findMismatch } from '../../../src/cli/demo/pattern.js';
import type { AcquiredChunks } from '../../../src/client/acquired-chunks.js';
import { DecodeEngine, type Holder } from '../../../src/client/decode-engine.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { CHUNK_BYTES } from './rolling-cluster.js';

const CALL_TIMEOUT_MS = 1500;

export class DecodeSide {
  pagesVerified = 0;
  /** Chunks with other bytes than their keys stand for, or that were not there. */
  readonly wrong: string[] = [];
  readonly #client: KvferryClient;
  readonly #scratch = Buffer.alloc(CHUNK_BYTES);

  constructor(client: KvferryClient) {
    this.#client = client;
  }

  /** Reads a ready request, keeps it for a time, and reads it again: no agent may have written there meanwhile. */
  async read(agent: string, holder: Holder, keys: readonly string[], holdMs: number): Promise<void> {
    const engine = new DecodeEngine({ client: this.#client, agent, callTimeoutMs: CALL_TIMEOUT_MS });
    const found = await engine.acquire(holder);
    await this.#check(holder, found, keys);
    await pause(holdMs);
    await this.#check(holder, found, keys);
    await found.release();
  }

  async #check({ request }: Holder, found: AcquiredChunks, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      if (!found.places.has(key)) {
        this.wrong.push(`${request}: chunk ${key} is missing`);
        continue;
      }
      const mismatch = findMismatch(Buffer.from(await found.read(key)), key, this.#scratch);
      if (mismatch !== undefined) this.wrong.push(`${request}: byte ${mismatch.offset} of ${key} is wrong`);
      this.pagesVerified += 1;
    }
  }
}
