/**
 * The chunks of all prompts. The bytes of a key never change, so one segment that is written once serves every engine, and
 * every page that is read can be checked against it. There are many more keys than pages. A page that becomes ready without a
 * write therefore almost always has the bytes of another key.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { fillPage } from '../../../src/cli/demo/pattern.js';
import type { SourceChunk } from '../../../src/client/source-memory.js';
import type { Random } from '../../../src/figures/random.js';

const KEYS = 1024;
/** Number of prefixes in use at the same time. */
const FAMILIES = 4;
const FAMILY_CHUNKS = 6;
/** Time after which the prefixes change. */
const FAMILY_MS = 500;

export class KeyPool {
  readonly chunkBytes: number;
  readonly path: string;
  readonly #bytes: Buffer;
  readonly #keys: readonly string[];
  readonly #numbers = new Map<string, number>();
  readonly #random: Random;

  constructor(options: {
    readonly path: string;
    readonly prefix: string;
    readonly chunkBytes: number;
    readonly random: Random;
  }) {
    this.chunkBytes = options.chunkBytes;
    this.path = options.path;
    this.#random = options.random;
    this.#bytes = Buffer.alloc(KEYS * options.chunkBytes);
    this.#keys = Array.from({ length: KEYS }, (_, number) => `${options.prefix}-${number}`);
    for (const [number, key] of this.#keys.entries()) {
      this.#numbers.set(key, number);
      fillPage(this.#page(number), key);
    }
    const file = openSync(options.path, 'wx');
    writeSync(file, this.#bytes);
    closeSync(file);
  }

  /** Keys of a prompt: a prefix that other prompts share at this time, and `ownChunks` random keys. */
  prompt(ownChunks: number): string[] {
    const rotation = Math.floor(performance.now() / FAMILY_MS) * FAMILIES + Math.floor(this.#random.next() * FAMILIES);
    const first = (rotation * FAMILY_CHUNKS) % KEYS;
    const shared = Array.from({ length: FAMILY_CHUNKS }, (_, index) => (first + index) % KEYS);
    return this.#names(new Set(shared), FAMILY_CHUNKS + ownChunks);
  }

  /** Keys that other prompts are not likely to have. */
  fresh(chunks: number): string[] {
    return this.#names(new Set(), chunks);
  }

  /** Where the chunks lie. */
  chunks(segment: string, keys: readonly string[]): SourceChunk[] {
    return keys.map((key) => ({ key, segment, offset: this.#number(key) * this.chunkBytes, length: this.chunkBytes }));
  }

  /** The bytes that a page with this key must have. */
  expected(key: string): Buffer {
    return this.#page(this.#number(key));
  }

  #names(numbers: Set<number>, count: number): string[] {
    while (numbers.size < count) numbers.add(Math.floor(this.#random.next() * KEYS));
    return [...numbers].map((number) => this.#keys[number] as string);
  }

  #number(key: string): number {
    const number = this.#numbers.get(key);
    if (number === undefined) throw new Error(`key ${key} is not in the pool`);
    return number;
  }

  #page(number: number): Buffer {
    return this.#bytes.subarray(number * this.chunkBytes, (number + 1) * this.chunkBytes);
  }
}
