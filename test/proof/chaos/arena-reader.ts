/** Behaves like decode engines: acquires, reads every byte in the arena, checks it, releases. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { OperationReply } from '../../../src/protocol/operations.js';
import type { KeyPool } from './key-pool.js';
import type { Accepted } from './ledger.js';

type Acquired = OperationReply<'acquire'>;

export interface Reading {
  readonly acquired: Acquired;
  /** When the lease that covers it may have ended at the earliest. */
  readonly leaseEndsMs: number;
}

export class ArenaReader {
  pagesVerified = 0;
  readonly wrong: string[] = [];
  /** Chunks of ready requests that were not found under their lease. */
  readonly missing: string[] = [];
  readonly #client: KvferryClient;
  readonly #pool: KeyPool;
  readonly #callTimeoutMs: number;
  readonly #page: Buffer;

  constructor(client: KvferryClient, pool: KeyPool, callTimeoutMs: number) {
    this.#client = client;
    this.#pool = pool;
    this.#callTimeoutMs = callTimeoutMs;
    this.#page = Buffer.alloc(pool.chunkBytes);
  }

  /** Takes the pages of a ready request and checks them. Undefined when another process answers by now. */
  async read(entry: Accepted, keys: readonly string[], readyMs: number): Promise<Reading | undefined> {
    const { request, epoch, receiver, receiverEpoch } = entry;
    const askedMs = performance.now();
    const acquired = await this.#client.acquire(receiver, { request, epoch }, { timeoutMs: this.#callTimeoutMs });
    if (acquired.arena.epoch !== receiverEpoch) return undefined;
    const found = new Set(acquired.keys);
    const lacking = keys.filter((key) => !found.has(key));
    // Its leases run from the end of the request on; after that it may be gone.
    if (lacking.length > 0 && performance.now() < readyMs + acquired.leaseMs) {
      this.missing.push(`${request}: ${lacking.length} of ${keys.length} chunks are missing at ${receiver}`);
    }
    const reading = { acquired, leaseEndsMs: askedMs + acquired.leaseMs };
    this.check(entry, reading);
    return reading;
  }

  /** Looks at the pages again: nobody may have written there meanwhile. */
  check({ request, receiver }: Accepted, { acquired, leaseEndsMs }: Reading): void {
    const { arena, keys, pages } = acquired;
    let file: number;
    try {
      file = openSync(arena.path, 'r');
    } catch (error) {
      // The agent died, and its successor has swept the arena.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    const wrong: string[] = [];
    for (const [index, key] of keys.entries()) {
      const page = pages[index] as number;
      readSync(file, this.#page, 0, this.#page.length, page * arena.pageBytes);
      if (!this.#page.equals(this.#pool.expected(key)))
        wrong.push(`${request}: page ${page} of ${receiver}, key ${key}`);
    }
    closeSync(file);
    // What was read after the lease had ended proves nothing.
    if (performance.now() > leaseEndsMs) return;
    this.pagesVerified += keys.length;
    this.wrong.push(...wrong);
  }

  async release({ request, epoch, receiver }: Accepted): Promise<void> {
    await this.#client.release(receiver, { request, epoch }, { timeoutMs: this.#callTimeoutMs });
  }
}
