/** A request of honest engines that is under way during an attack, and a lease of a reader: both must come out as if nothing had happened. */
import { join } from 'node:path';
import { fillPage, findMismatch } from '../../../src/cli/demo/pattern.js';
import { DecodeEngine } from '../../../src/client/decode-engine.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { type RequestEnd, RequestEnds } from '../../../src/client/request-ends.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import { patientTimeout } from '../../../src/processes/patience.js';
import { poll, within } from '../../../src/processes/within.js';
import { isKvferryError } from '../../../src/protocol/errors.js';
import type { OperationReply } from '../../../src/protocol/operations.js';
import { type Cluster, PAGE_BYTES } from '../cluster/cluster.js';
import type { Tenant } from '../users.js';

const TIMEOUT_MS = 30_000;
const ADMITTED_TIMEOUT_MS = 10_000;
const CHUNKS_OF_BATCH = 2;

export interface VictimPlan {
  readonly tenant: Tenant;
  readonly prefill?: string;
  readonly decode?: string;
}

export class Victim {
  readonly request: string;
  readonly tenant: Tenant;
  readonly prefill: string;
  readonly decode: string;
  readonly segment: string;
  readonly segmentPath: string;
  /** Of the batch that is put, and of the one that follows the attack. */
  readonly keys: readonly string[];
  epoch = '';
  readonly #cluster: Cluster;
  #ends: RequestEnds | undefined;
  #end: Promise<RequestEnd> | undefined;

  private constructor(
    cluster: Cluster,
    number: number,
    { tenant, prefill = 'prefill-0', decode = 'decode-0' }: VictimPlan,
  ) {
    this.#cluster = cluster;
    this.tenant = tenant;
    this.prefill = prefill;
    this.decode = decode;
    this.request = `victim-${number}-${tenant}`;
    this.segment = `segment-${number}-${tenant}`;
    this.segmentPath = join(cluster.memory, this.segment);
    this.keys = Array.from({ length: 2 * CHUNKS_OF_BATCH }, (_, index) => `${this.request}@${index}`);
  }

  /** Resolves when its first batch is at the receiver. */
  static async start(cluster: Cluster, number: number, plan: VictimPlan): Promise<Victim> {
    const victim = new Victim(cluster, number, plan);
    await victim.#begin();
    return victim;
  }

  /** Puts the rest, and resolves with what went wrong: nothing, if the attack had no effect. */
  async finish(): Promise<string[]> {
    try {
      const { prefill } = await this.#engines();
      await this.#put(prefill, 1);
      const { event } = await within(TIMEOUT_MS, `${this.request} has no end`, this.#end as Promise<RequestEnd>);
      if (event.end !== 'ready') return [`${this.request} ended ${event.end}: ${event.reason?.message}`];
      return await this.#wrongBytes();
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      return [`${this.request}: ${error.code}: ${error.message}`];
    } finally {
      await this.#close();
    }
  }

  async #begin(): Promise<void> {
    const { prefill, decode } = await this.#engines();
    const file = await SharedFile.create(this.segmentPath, this.keys.length * PAGE_BYTES);
    const page = Buffer.alloc(PAGE_BYTES);
    for (const [index, key] of this.keys.entries()) {
      fillPage(page, key);
      await file.write(index * PAGE_BYTES, page);
    }
    await file.close();
    await prefill.attach(this.prefill, { segment: this.segment, path: this.segmentPath });
    this.#ends = new RequestEnds(decode);
    this.#end = this.#ends.expect(this.request, [this.prefill, this.decode]).then((end) => end);
    this.#end.catch(() => undefined);
    await decode.flush();
    const router = await this.#cluster.router(this.tenant);
    this.epoch = (await this.#put(prefill, 0)).epoch;
    const arrived = await poll(ADMITTED_TIMEOUT_MS, async () => {
      const { held } = await router.lookup(this.decode, { keys: [...this.keys] });
      return held === CHUNKS_OF_BATCH ? true : undefined;
    });
    if (arrived === undefined) throw new Error(`${this.request} did not arrive at ${this.decode}`);
  }

  async #put(prefill: KvferryClient, batch: 0 | 1): Promise<OperationReply<'put'>> {
    const from = batch * CHUNKS_OF_BATCH;
    const place = { segment: this.segment, offset: from * PAGE_BYTES, length: PAGE_BYTES, count: CHUNKS_OF_BATCH };
    return prefill.put(this.prefill, {
      ...{ request: this.request, receiver: this.decode, batch, last: batch === 1, totalChunks: this.keys.length },
      ...{
        timeoutMs: patientTimeout(TIMEOUT_MS),
        keys: this.keys.slice(from, from + CHUNKS_OF_BATCH),
        source: [place],
      },
    });
  }

  async #wrongBytes(): Promise<string[]> {
    const { decode } = await this.#engines();
    const scratch = Buffer.alloc(PAGE_BYTES);
    const reader = new DecodeEngine({ client: decode, agent: this.decode });
    await using found = await reader.acquire({ request: this.request, epoch: this.epoch }, this.keys);
    const wrong: string[] = [];
    for (const key of this.keys) {
      if (!found.places.has(key)) wrong.push(`${key} is missing`);
      else {
        const mismatch = findMismatch(Buffer.from(await found.read(key)), key, scratch);
        if (mismatch !== undefined) wrong.push(`${key}: byte ${mismatch.offset} is ${mismatch.actual}`);
      }
    }
    return wrong;
  }

  /** The segment of a request that failed may still be read for a moment: then the agent keeps it. */
  async #close(): Promise<void> {
    this.#ends?.close();
    const { prefill } = await this.#engines();
    await poll(ADMITTED_TIMEOUT_MS, async () => {
      try {
        await prefill.detach(this.prefill, { segment: this.segment });
        return true;
      } catch (error) {
        return isKvferryError(error, 'segment_in_use') ? undefined : true;
      }
    });
  }

  async #engines(): Promise<{ readonly prefill: KvferryClient; readonly decode: KvferryClient }> {
    const prefill = await this.#cluster.engine(this.prefill, this.tenant);
    return { prefill, decode: await this.#cluster.engine(this.decode, this.tenant) };
  }
}
