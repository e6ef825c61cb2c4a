/** Behaves like an engine that decodes: acquires what has arrived, reads it in the arena, checks it, releases it. */
import { type FileHandle, open } from 'node:fs/promises';
import type { KvferryClient } from '../../client/kvferry-client.js';
import { KvferryError } from '../../protocol/errors.js';
import type { TerminalEvent } from '../../protocol/events.js';
import { findMismatch } from './pattern.js';

export interface Consumed {
  readonly chunks: number;
  /** Chunks that were missing or did not have the right bytes, and why. */
  readonly mismatches: readonly string[];
}

export class DecodeEngine {
  readonly agent: string;
  readonly #client: KvferryClient;
  readonly #chunkBytes: number;
  readonly #scratch: Buffer;
  /** Pages at hand for readers; there are as many as readers were ever busy at once. */
  readonly #pages: Buffer[] = [];
  /** By path: an agent that was started again has another arena, and somebody may still read the former one. */
  readonly #arenas = new Map<string, Promise<FileHandle>>();

  constructor(options: { readonly agent: string; readonly client: KvferryClient; readonly chunkBytes: number }) {
    this.agent = options.agent;
    this.#client = options.client;
    this.#chunkBytes = options.chunkBytes;
    this.#scratch = Buffer.allocUnsafe(options.chunkBytes);
  }

  async consume({ request, epoch }: TerminalEvent, keys: readonly string[], chunkBytes?: number): Promise<Consumed> {
    const found = await this.#client.acquire(this.agent, { request, epoch });
    const mismatches: string[] = [];
    const places = new Map(found.keys.map((key, index) => [key, index]));
    const arena = await this.#open(found.arena.path);
    const length = chunkBytes ?? this.#chunkBytes;
    const page = this.#pages.pop() ?? Buffer.allocUnsafe(this.#chunkBytes);
    for (const key of new Set(keys)) {
      const index = places.get(key);
      places.delete(key);
      if (index === undefined || found.lengths[index] !== length) {
        mismatches.push(`${key}: ${index === undefined ? 'missing' : `${found.lengths[index]} bytes`}`);
        continue;
      }
      const number = found.pages[index] as number;
      const bytes = page.subarray(0, length);
      await arena.read(bytes, 0, length, number * found.arena.pageBytes);
      const mismatch = findMismatch(bytes, key, this.#scratch);
      if (mismatch === undefined) continue;
      const { offset, expected, actual } = mismatch;
      mismatches.push(`${key}: byte ${offset} of page ${number} is ${actual}, not ${expected}`);
    }
    this.#pages.push(page);
    for (const key of places.keys()) mismatches.push(`${key}: not asked for`);
    await this.#client.release(this.agent, { request, epoch });
    return { chunks: found.keys.length, mismatches };
  }

  async close(): Promise<void> {
    for (const arena of this.#arenas.values()) await (await arena).close();
  }

  #open(path: string): Promise<FileHandle> {
    const opened =
      this.#arenas.get(path) ??
      open(path, 'r').catch((cause: unknown) => {
        this.#arenas.delete(path);
        throw new KvferryError('receiver_lost', `arena ${path} of agent ${this.agent} is gone`, { cause });
      });
    this.#arenas.set(path, opened);
    return opened;
  }
}
