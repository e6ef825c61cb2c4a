/**
 * Moves its own bytes from one agent to another, as an engine does, and measures the time. Whatever happens, it takes back
 * what it made: the file, the attached segment, the request, its leases.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DecodeEngine } from '../../../client/decode-engine.js';
import type { KvferryClient } from '../../../client/kvferry-client.js';
import { PrefillEngine } from '../../../client/prefill-engine.js';
import { SharedFile } from '../../../client/shared-file.js';
import type { SourceChunk } from '../../../client/source-memory.js';
import { isKvferryError, KvferryError } from '../../../protocol/errors.js';
import type { TerminalEvent } from '../../../protocol/events.js';
import type { ProbePair } from './plan.js';
import { ProbePages } from './probe-pages.js';

/** The fastest round counts: other work on a host only makes rounds slower. */
const ROUNDS = 5;
/** Before those: the first chunk connects the agents, the next ones show how long a chunk takes alone. */
const SMALL_ROUNDS = 25;
const REQUEST_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 5_000;
/** For the source memory of earlier rounds to be free again. */
const RELEASE_TIMEOUT_MS = 5_000;
/** The agent may run as another user, and nothing in the file is secret. */
const READABLE_BY_ALL = 0o644;
const NAME_BYTES = 6;
const BYTES_PER_GB = 1e9;
const MS_PER_S = 1000;

export interface ProbeOptions {
  /** A memory file system that the sender sees too. */
  readonly directory: string;
  /** Are the receiver's arena and this process on one host? Then the bytes that arrive are compared. */
  readonly isReceiverHere: boolean;
  readonly signal: AbortSignal;
}

export type ProbeResult =
  | {
      readonly kind: 'moved';
      /** From put to ready. */
      readonly gbps: number;
      /** Of the pages beyond the first: how fast bytes move once they do, judged by few bytes. */
      readonly laterPagesGbps: number;
      readonly bytes: number;
      /** From put to ready of one page alone; it tells what the messages cost. */
      readonly onePageMs: number;
      readonly provider: string;
      readonly detail: string;
      /** Pages that arrived with other bytes; undefined when the bytes could not be compared. */
      readonly differing: number | undefined;
    }
  /** The sender cannot open a file of this host. */
  | { readonly kind: 'elsewhere' };

/** Rejects with the reason of `signal`, with that of a request that did not become ready, and as the client does. */
export async function probePair(client: KvferryClient, pair: ProbePair, options: ProbeOptions): Promise<ProbeResult> {
  const name = `kvferry-doctor-${randomBytes(NAME_BYTES).toString('hex')}`;
  const { pageBytes } = pair.receiver.arena;
  const memory = await SharedFile.create(join(options.directory, name), pair.pages * pageBytes, READABLE_BY_ALL);
  try {
    const engine = await openEngine(client, pair, name, memory);
    if (engine === undefined) return { kind: 'elsewhere' };
    try {
      return await new Probe(client, pair, name, engine, options).run();
    } finally {
      await engine.close();
    }
  } finally {
    await memory.close();
  }
}

/** Undefined when the sender does not see the file. Afterwards the file has no name that could be left behind. */
async function openEngine(
  client: KvferryClient,
  { sender, receiver }: ProbePair,
  segment: string,
  memory: SharedFile,
): Promise<PrefillEngine | undefined> {
  const slotBytes = receiver.arena.pageBytes;
  const callTimeoutMs = CALL_TIMEOUT_MS;
  try {
    return await PrefillEngine.open({ client, agent: sender.agent, segment, memory, slotBytes, callTimeoutMs });
  } catch (error) {
    if (isKvferryError(error, 'segment_not_found', 'segment_invalid')) return undefined;
    throw error;
  } finally {
    await memory.unlink();
  }
}

class Probe {
  readonly #client: KvferryClient;
  readonly #pair: ProbePair;
  readonly #name: string;
  readonly #sending: PrefillEngine;
  readonly #receiving: DecodeEngine;
  readonly #bytes: ProbePages;
  readonly #options: ProbeOptions;
  #rounds = 0;

  constructor(client: KvferryClient, pair: ProbePair, name: string, sending: PrefillEngine, options: ProbeOptions) {
    const { agent, arena } = pair.receiver;
    this.#client = client;
    this.#pair = pair;
    this.#name = name;
    this.#sending = sending;
    this.#receiving = new DecodeEngine({ client, agent, callTimeoutMs: CALL_TIMEOUT_MS });
    this.#bytes = new ProbePages(arena.pageBytes);
    this.#options = options;
  }

  async run(): Promise<ProbeResult> {
    const { sender, receiver, pages } = this.#pair;
    const { pageBytes } = receiver.arena;
    const small: number[] = [];
    const large: number[] = [];
    let differing = 0;
    for (let round = 0; round < SMALL_ROUNDS + ROUNDS; round += 1) {
      const isSmall = round < SMALL_ROUNDS;
      const moved = await this.#move(isSmall ? 1 : pages);
      (isSmall ? small : large).push(moved.elapsedMs);
      differing += moved.differing;
    }
    const bytes = pages * pageBytes;
    const { peers } = await this.#client.status(sender.agent, { lists: ['peers'] }, { timeoutMs: CALL_TIMEOUT_MS });
    const peer = peers.find(
      (row) => row.side === 'receiver' && row.agent === receiver.agent && row.epoch === receiver.epoch,
    );
    return {
      kind: 'moved',
      gbps: rateOf(bytes, Math.min(...large)),
      laterPagesGbps: laterPagesRate(bytes, pageBytes, Math.min(...large), Math.min(...small)),
      bytes,
      onePageMs: Math.min(...small),
      provider: peer?.provider ?? 'unknown',
      detail: peer?.detail ?? 'unknown',
      differing: this.#options.isReceiverHere ? differing : undefined,
    };
  }

  /** Moves so many pages, and releases them. Rejects when they do not become ready. */
  async #move(pages: number): Promise<{ elapsedMs: number; differing: number }> {
    const { signal, isReceiverHere } = this.#options;
    const { sender, receiver } = this.#pair;
    this.#rounds += 1;
    const request = `${this.#name}-${this.#rounds}`;
    const keys = Array.from({ length: pages }, (_, page) => `${request}-${page}`);
    const chunks = await this.#fill(keys);
    const plan = { request, receiver: receiver.agent, totalChunks: pages, timeoutMs: REQUEST_TIMEOUT_MS };
    const outgoing = this.#sending.begin(plan);
    let hasEnded = false;
    try {
      const startMs = performance.now();
      await outgoing.put(chunks);
      const { event, atMs } = await outgoing.end({ timeoutMs: REQUEST_TIMEOUT_MS + CALL_TIMEOUT_MS, signal });
      hasEnded = true;
      if (event.end !== 'ready') {
        throw new KvferryError(event.reason?.code ?? 'internal', event.reason?.message ?? `it has ended ${event.end}`);
      }
      return { elapsedMs: atMs - startMs, differing: isReceiverHere ? await this.#compare(event, keys) : 0 };
    } finally {
      // A request that has not ended is cancelled; what it holds is released.
      if (!hasEnded) await unlessGone(outgoing.cancel());
      await unlessGone(this.#receiving.release({ request, epoch: outgoing.epoch ?? sender.epoch }));
    }
  }

  /** Rejects `deadline_exceeded` when the sender keeps the memory of earlier rounds. */
  async #fill(keys: readonly string[]): Promise<SourceChunk[]> {
    const late = new AbortController();
    const { agent } = this.#pair.sender;
    const message = `agent ${agent} did not release source memory within ${RELEASE_TIMEOUT_MS} ms`;
    const timer = setTimeout(() => late.abort(new KvferryError('deadline_exceeded', message)), RELEASE_TIMEOUT_MS);
    try {
      return await this.#sending.fill(
        keys.map((key, page) => ({ key, bytes: () => this.#bytes.bytesOf(page) })),
        AbortSignal.any([this.#options.signal, late.signal]),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Pages that are missing, or have other bytes than their source. */
  async #compare(event: TerminalEvent, keys: readonly string[]): Promise<number> {
    const found = await this.#receiving.acquire(event, keys);
    try {
      if (found.missing.length > 0) return keys.length;
      let differing = 0;
      for (const [page, key] of keys.entries()) {
        if (!this.#bytes.bytesOf(page).equals(await found.read(key))) differing += 1;
      }
      return differing;
    } finally {
      await found.close();
    }
  }
}

/**
 * A probe is short, and agents that have done little yet take longer for its messages than for its bytes. So what one page alone
 * takes is left out; of a single page, or when many take no longer than one, nothing is.
 */
export function laterPagesRate(bytes: number, pageBytes: number, allMs: number, onePageMs: number): number {
  const hasDifference = bytes > pageBytes && allMs > onePageMs;
  return hasDifference ? rateOf(bytes - pageBytes, allMs - onePageMs) : rateOf(bytes, allMs);
}

function rateOf(bytes: number, elapsedMs: number): number {
  return bytes / BYTES_PER_GB / (elapsedMs / MS_PER_S);
}

/** Nothing has to be given back to an agent that is gone. */
async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isKvferryError(error, 'no_responders')) throw error;
  }
}
