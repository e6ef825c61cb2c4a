/** Requests as engines and a router make them: put, wait for the announcement of the end, release. */
import { writeFileSync } from 'node:fs';
import { within } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { TerminalEvent } from '../../src/protocol/events.js';
import type { SourceRun } from '../../src/protocol/fields.js';
import type { Cluster } from './cluster.js';

const TIMEOUT_MS = 60_000;
const SEGMENT = 'bench';

export interface Batch {
  readonly keys: readonly string[];
  readonly source: readonly SourceRun[];
  /** Default: a request of this one batch. */
  readonly number?: number;
  readonly last?: boolean;
  readonly totalChunks?: number;
}

export class Requests {
  readonly #cluster: Cluster;
  readonly #waiting = new Map<string, (event: TerminalEvent) => void>();
  #count = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.client.onTerminal((event) => {
      this.#waiting.get(event.request)?.(event);
      this.#waiting.delete(event.request);
    });
  }

  /** Makes a source file of `bytes` bytes and attaches it at every prefill agent. Its path. */
  async attach(directory: string, bytes: number): Promise<string> {
    const path = `${directory}/source`;
    writeFileSync(path, new Uint8Array(bytes), { flag: 'wx' });
    await Promise.all(this.#cluster.prefill.map(({ name }) => this.attachAt(name, path)));
    return path;
  }

  async attachAt(agent: string, path: string): Promise<void> {
    await this.#cluster.client.attach(agent, { segment: SEGMENT, path });
  }

  /** `count` chunks that lie one after the other from chunk `first` of the source on. */
  source(count: number, chunkBytes: number, first = 0): SourceRun[] {
    return count === 0 ? [] : [{ segment: SEGMENT, offset: first * chunkBytes, length: chunkBytes, count }];
  }

  nextName(): string {
    this.#count += 1;
    return `bench-${this.#count}`;
  }

  /** Resolves when the request has ended, however. To be called before it is put. */
  ending(request: string): Promise<TerminalEvent> {
    const ended = new Promise<TerminalEvent>((resolve) => {
      this.#waiting.set(request, resolve);
    });
    return within(TIMEOUT_MS, `nobody announced the end of ${request}`, ended);
  }

  async put(sender: string, request: string, batch: Batch): Promise<void> {
    const { keys, source, number = 0, last = true, totalChunks = keys.length } = batch;
    const receiver = this.#cluster.decode.name;
    await this.#cluster.client.put(sender, {
      ...{ request, receiver, batch: number, last, totalChunks, timeoutMs: TIMEOUT_MS },
      keys: [...keys],
      source: [...source],
    });
  }

  /** Puts it and waits until it is ready. Rejects when it ends in another way. */
  async move(sender: string, batch: Batch): Promise<TerminalEvent> {
    const request = this.nextName();
    const ending = this.ending(request);
    await this.put(sender, request, batch);
    const event = await ending;
    if (event.end === 'ready') return event;
    const { code = 'internal', message = '' } = event.reason ?? {};
    throw new KvferryError(code, `request ${request} ended ${event.end}: ${message}`);
  }

  async release({ request, epoch }: TerminalEvent): Promise<void> {
    await this.#cluster.client.release(this.#cluster.decode.name, { request, epoch });
  }
}
