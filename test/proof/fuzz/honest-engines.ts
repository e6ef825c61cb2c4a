/** Engines that work beside the fuzzer: every byte that they read is checked. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fillPage, findMismatch } from '../../../src/cli/demo/pattern.js';
import { DecodeEngine, type Holder } from '../../../src/client/decode-engine.js';
import { RequestEnds } from '../../../src/client/request-ends.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import { within } from '../../../src/processes/within.js';
import { isKvferryError } from '../../../src/protocol/errors.js';
import { type FuzzCluster, PAGE_BYTES } from './fuzz-cluster.js';

const CHUNKS = 4;
const TIMEOUT_MS = 10_000;
/** Between two requests. They are a load, and not a measurement. */
const PAUSE_MS = 10;
const SEGMENT = 'honest';

export class HonestEngines {
  ready = 0;
  /** By the code of the failure. */
  readonly failed: Record<string, number> = {};
  readonly wrong: string[] = [];
  readonly #cluster: FuzzCluster;
  readonly #ends: RequestEnds;
  readonly #scratch = Buffer.alloc(PAGE_BYTES);

  constructor(cluster: FuzzCluster) {
    this.#cluster = cluster;
    this.#ends = new RequestEnds(cluster.client);
  }

  /** Sends request after request until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, directory } = this.#cluster;
    const path = join(directory, SEGMENT);
    const source = await SharedFile.create(path, CHUNKS * PAGE_BYTES);
    for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
      fillPage(this.#scratch, contentOf(chunk));
      await source.write(chunk * PAGE_BYTES, this.#scratch);
    }
    await source.close();
    await client.attach('prefill-0', { segment: SEGMENT, path });
    for (let number = 0; !signal.aborted; number += 1) {
      try {
        await this.#one(`honest-${number}`, `decode-${number % 2}`);
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        this.#count(error.code);
      }
      await pause(PAUSE_MS);
    }
  }

  async #one(request: string, receiver: string): Promise<void> {
    const { client } = this.#cluster;
    const keys = Array.from({ length: CHUNKS }, (_, chunk) => `${request}@${chunk}`);
    const ended = this.#ends.expect(request);
    try {
      await client.put('prefill-0', {
        ...{ request, receiver, batch: 0, last: true, totalChunks: CHUNKS, timeoutMs: TIMEOUT_MS, keys },
        source: [{ segment: SEGMENT, offset: 0, length: PAGE_BYTES, count: CHUNKS }],
      });
      const { event } = await within(2 * TIMEOUT_MS, `no end of ${request}`, ended);
      if (event.end !== 'ready') this.#count(event.reason?.code ?? event.end);
      else await this.#read(event, receiver, keys);
    } finally {
      this.#ends.forget(request);
    }
  }

  async #read(holder: Holder, agent: string, keys: readonly string[]): Promise<void> {
    await using found = await new DecodeEngine({ client: this.#cluster.client, agent }).acquire(holder);
    for (const [chunk, key] of keys.entries()) {
      const bytes = Buffer.from(await found.read(key));
      const mismatch = findMismatch(bytes, contentOf(chunk), this.#scratch);
      if (mismatch !== undefined) this.wrong.push(`${key} at ${agent}: byte ${mismatch.offset} is ${mismatch.actual}`);
    }
    this.ready += 1;
  }

  #count(code: string): void {
    this.failed[code] = (this.failed[code] ?? 0) + 1;
  }
}

/** The bytes of a chunk are the same in every request, so the source never changes. */
function contentOf(chunk: number): string {
  return `honest chunk ${chunk}`;
}
