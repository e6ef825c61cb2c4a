/** A prefill host and a decode host, each with an agent and an engine, and the requests between them. */
import { compute, consume } from '../../src/cli/demo/engines.js';
import type { DecodeEngine } from '../../src/client/decode-engine.js';
import type { OutgoingRequest } from '../../src/client/outgoing-request.js';
import type { PrefillEngine } from '../../src/client/prefill-engine.js';
import { patient, patientTimeout } from '../../src/processes/patience.js';
import { poll } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { TerminalEvent } from '../../src/protocol/events.js';
import { CHUNK_BYTES, type HostAgent } from './host-agent.js';
import type { Slowness } from './network/wire.js';
import { type HostsRun, Site } from './site.js';

const REQUEST_TIMEOUT_MS = 20_000;
/** An end is announced at most that much after the deadline. */
const ANNOUNCE_MS = 3_000;
const SETTLE_TIMEOUT_MS = 20_000;
const CALL_TIMEOUT_MS = 1_000;

export interface PairOptions {
  /** Further settings of the agents. */
  readonly prefill?: readonly string[];
  readonly decode?: readonly string[];
  /** Of the link between prefill host and router. */
  readonly slow?: Slowness;
}

/** A request under way. */
export interface Moving {
  readonly request: string;
  readonly keys: readonly string[];
  readonly outgoing: OutgoingRequest;
  readonly timeoutMs: number;
}

export class Pair implements AsyncDisposable {
  readonly site: Site;
  readonly prefill: HostAgent;
  readonly decode: HostAgent;
  readonly engine: PrefillEngine;
  readonly #reader: DecodeEngine;

  private constructor(site: Site, prefill: HostAgent, decode: HostAgent, engine: PrefillEngine) {
    this.site = site;
    this.prefill = prefill;
    this.decode = decode;
    this.engine = engine;
    this.#reader = decode.openDecodeEngine(site.run.client);
  }

  static async start(run: HostsRun, options: PairOptions = {}): Promise<Pair> {
    const site = new Site(run);
    try {
      const prefill = site.agent(await site.host('prefill', options.slow), 'prefill', options.prefill);
      const decode = site.agent(await site.host('decode'), 'decode', options.decode);
      return await Pair.of(site, prefill, decode);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Of agents that have been started. Resolves when both serve. */
  static async of(site: Site, prefill: HostAgent, decode: HostAgent): Promise<Pair> {
    const { client, ends } = site.run;
    await Promise.all([prefill.serving(client), decode.serving(client)]);
    return new Pair(site, prefill, decode, await prefill.openPrefillEngine(client, ends));
  }

  /** The same prefill agent with another decode agent. Resolves when that serves. */
  async withDecode(decode: HostAgent): Promise<Pair> {
    await decode.serving(this.site.run.client);
    return new Pair(this.site, this.prefill, decode, this.engine);
  }

  /** Puts a request of chunks that no other request has. */
  put(chunks: number, timeoutMs?: number): Promise<Moving> {
    const { requests } = this.site.run.tally;
    return this.putKeys(
      Array.from({ length: chunks }, (_, index) => `chunk-${requests}@${index}`),
      timeoutMs,
    );
  }

  /** The bytes of each chunk follow from its key. */
  async putKeys(keys: readonly string[], timeoutMs = REQUEST_TIMEOUT_MS): Promise<Moving> {
    const { tally } = this.site.run;
    tally.requests += 1;
    const request = `request-${tally.requests}`;
    const plan = { request, receiver: this.decode.name, timeoutMs: patientTimeout(timeoutMs) };
    const outgoing = await this.engine.put(plan, await compute(this.engine, keys, CHUNK_BYTES));
    return { request, keys, outgoing, timeoutMs: plan.timeoutMs };
  }

  /** Its end, which must come in time. */
  async end({ outgoing, timeoutMs }: Moving): Promise<TerminalEvent> {
    return (await outgoing.end({ timeoutMs: timeoutMs + patient(ANNOUNCE_MS) })).event;
  }

  /** Waits until a request is ready, compares every byte, and releases it. */
  async check(moving: Moving): Promise<void> {
    const event = await this.end(moving);
    if (event.end !== 'ready') throw new Error(`${moving.request} ${endText(event)}`);
    this.site.run.tally.mismatches.push(...(await consume(this.#reader, event, moving.keys, CHUNK_BYTES)));
  }

  /** Puts requests one after the other, and checks each. */
  async move({ requests, chunks }: { readonly requests: number; readonly chunks: number }): Promise<void> {
    for (let count = 0; count < requests; count += 1) await this.check(await this.put(chunks));
  }

  /** Resolves when every page of the arena is free. */
  async pagesFree(): Promise<void> {
    const { client } = this.site.run;
    let last = 'no answer';
    const look = async () => {
      const { pages } = await client.status(this.decode.name, {}, { timeoutMs: patient(CALL_TIMEOUT_MS) });
      last = JSON.stringify(pages);
      return pages !== undefined && pages.free === pages.total ? true : undefined;
    };
    if ((await poll(SETTLE_TIMEOUT_MS, look)) === undefined) {
      throw new KvferryError('deadline_exceeded', `pages of ${this.decode.name} are not free: ${last}`);
    }
  }

  /** Resolves when the engine has all its memory back. */
  async slotsFree(): Promise<void> {
    const { slots } = this.engine;
    const look = async () => (this.engine.slots.free === slots.total ? true : undefined);
    if ((await poll(SETTLE_TIMEOUT_MS, look)) === undefined) {
      const message = `${this.engine.slots.free} of ${slots.total} slots of ${this.prefill.name} are free`;
      throw new KvferryError('deadline_exceeded', message);
    }
  }

  async settled(): Promise<void> {
    await this.pagesFree();
    await this.slotsFree();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await this.site[Symbol.asyncDispose]();
  }
}

export function endText({ end, reason }: TerminalEvent): string {
  return reason === undefined ? end : `${end} (${reason.code}: ${reason.message})`;
}
