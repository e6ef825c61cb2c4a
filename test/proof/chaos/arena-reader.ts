/** Behaves like decode engines: acquires, reads every byte in the arena, checks it, releases. */
import type { AcquiredChunks } from '../../../src/client/acquired-chunks.js';
import { DecodeEngine } from '../../../src/client/decode-engine.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { isKvferryError } from '../../../src/protocol/errors.js';
import type { KeyPool } from './key-pool.js';
import type { Accepted } from './ledger.js';

export class ArenaReader {
  pagesVerified = 0;
  readonly wrong: string[] = [];
  /** Chunks of ready requests that were not found under their lease. */
  readonly missing: string[] = [];
  readonly #client: KvferryClient;
  readonly #pool: KeyPool;
  readonly #callTimeoutMs: number;

  constructor(client: KvferryClient, pool: KeyPool, callTimeoutMs: number) {
    this.#client = client;
    this.#pool = pool;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /**
   * Acquires the pages of a ready request and checks them. The caller releases them. Undefined when another process answers
   * by now.
   */
  async read(entry: Accepted, keys: readonly string[], readyMs: number): Promise<AcquiredChunks | undefined> {
    const { request, receiver, receiverEpoch } = entry;
    const askedMs = performance.now();
    const engine = new DecodeEngine({ client: this.#client, agent: receiver, callTimeoutMs: this.#callTimeoutMs });
    const found = await engine.acquire(entry);
    if (found.arena.epoch !== receiverEpoch) {
      await found.close();
      return undefined;
    }
    const lacking = keys.filter((key) => !found.places.has(key));
    const leaseMs = found.leaseEndsMs - askedMs;
    // The first leases run from the end of the request on; after that the request may be gone.
    if (lacking.length > 0 && performance.now() < readyMs + leaseMs) {
      this.missing.push(`${request}: ${lacking.length} of ${keys.length} chunks are missing at ${receiver}`);
    }
    await this.check(entry, found);
    return found;
  }

  /** Compares the pages again: no agent may have written there meanwhile. */
  async check({ request, receiver }: Accepted, found: AcquiredChunks): Promise<void> {
    for (const [key, { page }] of found.places) {
      const bytes = await this.#readUnderLease(found, key);
      if (bytes === undefined) return;
      this.pagesVerified += 1;
      if (!this.#pool.expected(key).equals(bytes)) {
        this.wrong.push(`${request}: page ${page} of ${receiver}, key ${key}`);
      }
    }
  }

  /** Undefined when the lease was over: bytes that were read later prove nothing. */
  async #readUnderLease(found: AcquiredChunks, key: string): Promise<Uint8Array | undefined> {
    try {
      return await found.read(key);
    } catch (error) {
      if (isKvferryError(error, 'request_ended')) return undefined;
      throw error;
    }
  }
}
