/**
 * Moves bytes of its own from one agent to another, as an engine would, and takes the time. Whatever happens, it takes back
 * what it made: the file, the attached segment, the request, its leases.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { KvferryClient } from '../../../client/kvferry-client.js';
import { isKvferryError, KvferryError } from '../../../protocol/errors.js';
import type { TerminalEvent } from '../../../protocol/events.js';
import type { ProbePair } from './plan.js';
import { ProbeSource } from './probe-source.js';

/** The fastest round counts: whatever else happens on a host only makes rounds slower. */
const ROUNDS = 5;
/** Before those: the first chunk connects the agents, the next ones show how long a chunk takes alone. */
const SMALL_ROUNDS = 25;
const REQUEST_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 5_000;
/** For a request that was given up to end, and its source memory to be free. */
const CLEAN_UP_TIMEOUT_MS = 5_000;
const RETRY_INTERVAL_MS = 50;
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
      /** Pages that arrived with other bytes; undefined when that could not be seen. */
      readonly differing: number | undefined;
    }
  /** The sender cannot open a file of this host. */
  | { readonly kind: 'elsewhere' };

/** Rejects with the reason of `signal`, with that of a request that did not become ready, and as the client does. */
export async function probePair(client: KvferryClient, pair: ProbePair, options: ProbeOptions): Promise<ProbeResult> {
  const name = `kvferry-doctor-${randomBytes(NAME_BYTES).toString('hex')}`;
  const { sender, receiver, pages } = pair;
  const path = join(options.directory, name);
  const source = await ProbeSource.create(path, receiver.arena.pageBytes, pages);
  try {
    if (!(await attach(client, sender.agent, name, path))) return { kind: 'elsewhere' };
    return await new Probe(client, pair, name, source, options).run();
  } finally {
    await detach(client, sender.agent, name);
  }
}

/** Does the agent see the file? Afterwards it has it open, and the file has no name that could be left behind. */
async function attach(client: KvferryClient, agent: string, segment: string, path: string): Promise<boolean> {
  try {
    await client.attach(agent, { segment, path }, { timeoutMs: CALL_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (isKvferryError(error, 'segment_not_found', 'segment_invalid')) return false;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

class Probe {
  readonly #client: KvferryClient;
  readonly #pair: ProbePair;
  readonly #name: string;
  readonly #source: ProbeSource;
  readonly #options: ProbeOptions;
  #rounds = 0;

  constructor(client: KvferryClient, pair: ProbePair, name: string, source: ProbeSource, options: ProbeOptions) {
    this.#client = client;
    this.#pair = pair;
    this.#name = name;
    this.#source = source;
    this.#options = options;
  }

  async run(): Promise<ProbeResult> {
    const { pages } = this.#source;
    const small: number[] = [];
    const large: number[] = [];
    let differing = 0;
    for (let round = 0; round < SMALL_ROUNDS + ROUNDS; round += 1) {
      const isSmall = round < SMALL_ROUNDS;
      const moved = await this.#move(isSmall ? 1 : pages);
      (isSmall ? small : large).push(moved.elapsedMs);
      differing += moved.differing;
    }
    const bytes = pages * this.#source.pageBytes;
    const { peers } = await this.#client.status(this.#pair.sender.agent, { limit: 0 }, { timeoutMs: CALL_TIMEOUT_MS });
    const { agent, epoch } = this.#pair.receiver;
    const peer = peers.find((row) => row.side === 'receiver' && row.agent === agent && row.epoch === epoch);
    return {
      kind: 'moved',
      gbps: rateOf(bytes, Math.min(...large)),
      laterPagesGbps: laterPagesRate(bytes, this.#source.pageBytes, Math.min(...large), Math.min(...small)),
      bytes,
      onePageMs: Math.min(...small),
      provider: peer?.provider ?? 'unknown',
      detail: peer?.detail ?? 'unknown',
      differing: this.#options.isReceiverHere ? differing : undefined,
    };
  }

  /** Moves the first `pages` of the source, and releases them. Rejects when they do not become ready. */
  async #move(pages: number): Promise<{ elapsedMs: number; differing: number }> {
    this.#options.signal.throwIfAborted();
    const { sender, receiver } = this.#pair;
    this.#rounds += 1;
    const request = `${this.#name}-${this.#rounds}`;
    const keys = Array.from({ length: pages }, (_, page) => `${request}-${page}`);
    const ending = new Ending(this.#client, request, this.#options.signal);
    await this.#client.flush();
    try {
      const startMs = performance.now();
      await this.#client.put(
        sender.agent,
        {
          request,
          receiver: receiver.agent,
          batch: 0,
          last: true,
          totalChunks: pages,
          timeoutMs: REQUEST_TIMEOUT_MS,
          keys,
          source: [{ segment: this.#name, offset: 0, length: this.#source.pageBytes, count: pages }],
        },
        { timeoutMs: CALL_TIMEOUT_MS },
      );
      const event = await ending.within(REQUEST_TIMEOUT_MS + CALL_TIMEOUT_MS);
      const elapsedMs = performance.now() - startMs;
      if (event.end !== 'ready') {
        throw new KvferryError(event.reason?.code ?? 'internal', event.reason?.message ?? `it has ended ${event.end}`);
      }
      return { elapsedMs, differing: this.#options.isReceiverHere ? await this.#compare(request, keys) : 0 };
    } finally {
      await this.#takeBack(request, ending);
      ending.close();
    }
  }

  async #compare(request: string, keys: readonly string[]): Promise<number> {
    const { sender, receiver } = this.#pair;
    const found = await this.#client.acquire(
      receiver.agent,
      { request, epoch: sender.epoch, keys: [...keys] },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    const places = keys.map((key) => found.pages[found.keys.indexOf(key)]);
    if (!places.every((place) => place !== undefined)) return keys.length;
    return this.#source.differing(found.arena.path, places);
  }

  /** A request that has not ended is cancelled; what it holds is released. */
  async #takeBack(request: string, ending: Ending): Promise<void> {
    const { sender, receiver } = this.#pair;
    if (!ending.hasEnded) {
      await unlessGone(this.#client.cancel(sender.agent, { request }, { timeoutMs: CALL_TIMEOUT_MS }));
    }
    await unlessGone(
      this.#client.release(receiver.agent, { request, epoch: sender.epoch }, { timeoutMs: CALL_TIMEOUT_MS }),
    );
  }
}

/** Waits for the end of one request. */
class Ending {
  hasEnded = false;
  readonly #close: () => void;
  readonly #ended: Promise<TerminalEvent>;
  readonly #signal: AbortSignal;

  constructor(client: KvferryClient, request: string, signal: AbortSignal) {
    this.#signal = signal;
    let resolveEnded: (event: TerminalEvent) => void = () => undefined;
    this.#ended = new Promise((resolve) => {
      resolveEnded = resolve;
    });
    const subscription = client.onTerminal((event) => {
      if (event.request !== request) return;
      this.hasEnded = true;
      resolveEnded(event);
    });
    this.#close = () => subscription.close();
  }

  /** Rejects `deadline_exceeded`, or with the reason of the signal. */
  async within(timeoutMs: number): Promise<TerminalEvent> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#signal, over.signal]);
    const late = delay(timeoutMs, undefined, { signal }).then(
      () => {
        throw new KvferryError('deadline_exceeded', `nobody announced its end within ${timeoutMs} ms`);
      },
      () => {
        this.#signal.throwIfAborted();
      },
    );
    try {
      const event = await Promise.race([this.#ended, late]);
      if (event === undefined) throw new KvferryError('internal', 'the wait for its end has ended early');
      return event;
    } finally {
      over.abort();
    }
  }

  close(): void {
    this.#close();
  }
}

/**
 * A probe is short, and agents that have done little yet take longer for its messages than for its bytes. So what one page alone
 * takes is left out; of a single page, or when many take no longer than one, nothing is.
 */
export function laterPagesRate(bytes: number, pageBytes: number, allMs: number, onePageMs: number): number {
  const isTold = bytes > pageBytes && allMs > onePageMs;
  return isTold ? rateOf(bytes - pageBytes, allMs - onePageMs) : rateOf(bytes, allMs);
}

function rateOf(bytes: number, elapsedMs: number): number {
  return bytes / BYTES_PER_GB / (elapsedMs / MS_PER_S);
}

/** The agent keeps a segment while a write may still read it. */
async function detach(client: KvferryClient, agent: string, segment: string): Promise<void> {
  const deadlineMs = performance.now() + CLEAN_UP_TIMEOUT_MS;
  for (;;) {
    try {
      await client.detach(agent, { segment }, { timeoutMs: CALL_TIMEOUT_MS });
      return;
    } catch (error) {
      if (isKvferryError(error, 'segment_not_found', 'no_responders', 'role_mismatch')) return;
      if (!isKvferryError(error, 'segment_in_use') || performance.now() > deadlineMs) throw error;
      await delay(RETRY_INTERVAL_MS);
    }
  }
}

async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isKvferryError(error, 'unknown_request', 'request_ended', 'no_responders')) throw error;
  }
}
