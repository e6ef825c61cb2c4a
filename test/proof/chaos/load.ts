/** A constant load: prompts with shared prefixes. Some are cancelled, left unfinished, or never released. */
import { setTimeout as delay } from 'node:timers/promises';
import { EngineSession } from '../../../src/client/engine-session.js';
import { OutgoingRequest } from '../../../src/client/outgoing-request.js';
import type { RequestEnd } from '../../../src/client/request-ends.js';
import { SystemClock } from '../../../src/control/system-clock.js';
import { isKvferryError } from '../../../src/protocol/errors.js';
import type { AgentSlot } from './agent-slot.js';
import { CALL_TIMEOUT_MS, type ChaosCluster, HEARTBEAT_MS, SEGMENT } from './chaos-cluster.js';
import type { Accepted } from './ledger.js';

const WORKERS = 10;
const REQUEST_TIMEOUT_MS = 4000;
/** Timeout of a request whose last batch never comes. */
const UNFINISHED_TIMEOUT_MS = 800;
/** Longest time from the deadline of a request to the announcement of its end. */
const ANNOUNCE_GRACE_MS = 3000;
/** Time within which peers detect a dead agent. */
const NOTICE_MS = HEARTBEAT_MS * 4;
const OWN_CHUNKS_MAX = 6;
const CANCEL_WITHIN_MS = 30;
const HOLD_MS_MAX = 40;
const PAUSE_MS = 30;
/** Fractions of all requests. */
const CANCELLED = 0.12;
const UNFINISHED = 0.04;
const NEVER_RELEASED = 0.06;

/** A request that was accepted, and its way. */
export interface Moving extends Accepted {
  readonly outgoing: OutgoingRequest;
}

export class Load {
  /** Calls that agents refused or did not answer, by code. */
  readonly refusals: Record<string, number> = {};
  cancels = 0;
  neverReleased = 0;
  readonly #cluster: ChaosCluster;
  readonly #clock = new SystemClock();
  readonly #sessions = new Map<string, Promise<EngineSession>>();
  readonly #workers: Promise<void>[] = [];
  #next = 0;
  #over = false;

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  start(): void {
    for (let worker = 0; worker < WORKERS; worker += 1) this.#workers.push(this.#work());
  }

  /** Rejects after an error that is not a typed error of an agent. */
  failure(): Promise<unknown> {
    return Promise.all(this.#workers);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#workers);
  }

  /** Puts a prompt. Resolves to undefined if its first batch is not accepted. */
  async put(
    sender: AgentSlot,
    receiver: AgentSlot,
    keys: readonly string[],
    options: { readonly timeoutMs?: number; readonly firstChunks?: number; readonly finish?: boolean } = {},
  ): Promise<Moving | undefined> {
    const { timeoutMs = REQUEST_TIMEOUT_MS, firstChunks = keys.length, finish = true } = options;
    const { ends, pool, ledger } = this.#cluster;
    this.#next += 1;
    const request = `chaos-${this.#next}`;
    const receiverEpoch = receiver.epoch;
    const session = await this.#try(() => this.#sessionAt(sender.name));
    if (session === undefined) return undefined;
    const outgoing = new OutgoingRequest(
      { request, receiver: receiver.name, totalChunks: keys.length, timeoutMs },
      { session, ends, clock: this.#clock, patienceMs: 0, callTimeoutMs: CALL_TIMEOUT_MS },
    );
    const batch = (from: number, to: number, last: boolean) =>
      this.#try(() => outgoing.put(pool.chunks(SEGMENT, keys.slice(from, to)), { last }));
    const whole = firstChunks === keys.length && finish;
    const epoch = await batch(0, firstChunks, whole);
    if (epoch === undefined) return undefined;
    // It was accepted before now.
    const deadlineMs = performance.now() + timeoutMs;
    const entry = {
      request,
      epoch,
      sender: sender.name,
      receiver: receiver.name,
      receiverEpoch,
      deadlineMs,
      outgoing,
    };
    ledger.accept(entry);
    if (!whole && finish) await batch(firstChunks, keys.length, true);
    return entry;
  }

  /** The client's end closes it. */
  #sessionAt(agent: string): Promise<EngineSession> {
    const known = this.#sessions.get(agent);
    if (known !== undefined) return known;
    const call = { timeoutMs: CALL_TIMEOUT_MS };
    const options = { client: this.#cluster.client, agent, holder: 'chaos', clock: this.#clock, call, patienceMs: 0 };
    const opening = EngineSession.open(options);
    this.#sessions.set(agent, opening);
    opening.catch(() => this.#sessions.delete(agent));
    return opening;
  }

  async #work(): Promise<void> {
    while (!this.#over) await this.#one();
  }

  async #one(): Promise<void> {
    const { prefill, decode, random, pool, reader } = this.#cluster;
    const serving = (slots: readonly AgentSlot[]) => slots.filter((slot) => slot.inService);
    const sender = serving(prefill).length === 0 ? undefined : random.pick(serving(prefill));
    const receiver = serving(decode).length === 0 ? undefined : random.pick(serving(decode));
    if (sender === undefined || receiver === undefined) {
      await delay(PAUSE_MS);
      return;
    }
    const keys = pool.prompt(Math.floor(random.next() * OWN_CHUNKS_MAX));
    const finish = random.next() >= UNFINISHED;
    const timeoutMs = finish ? REQUEST_TIMEOUT_MS : UNFINISHED_TIMEOUT_MS;
    const firstChunks = finish && random.next() < 0.5 ? keys.length : Math.ceil(keys.length / 2);
    const entry = await this.put(sender, receiver, keys, { timeoutMs, firstChunks, finish });
    if (entry === undefined) {
      await delay(PAUSE_MS);
      return;
    }
    if (random.next() < CANCELLED) await this.#cancel(entry, random.next() * CANCEL_WITHIN_MS);
    const ending = await this.#ending(entry, timeoutMs + ANNOUNCE_GRACE_MS);
    if (ending?.event.end !== 'ready') return;
    if (random.next() < NEVER_RELEASED) {
      this.neverReleased += 1;
      return;
    }
    const reading = await this.#try(() => reader.read(entry, keys, ending.atMs));
    if (reading === undefined) return;
    await delay(random.next() * HOLD_MS_MAX);
    await reader.check(entry, reading);
    await this.#try(() => reading.release());
  }

  /** Waits as a router does: when the sender's process is gone, only as long as a receiver takes to notice. */
  async #ending(entry: Moving, timeoutMs: number): Promise<RequestEnd | undefined> {
    const sender = this.#cluster.slot(entry.sender);
    const untilMs = performance.now() + timeoutMs;
    for (let wasGone = false; ; ) {
      const ending = await endOf(entry, NOTICE_MS);
      if (ending !== undefined || wasGone || performance.now() > untilMs) return ending;
      wasGone = sender.epoch !== entry.epoch;
    }
  }

  async #cancel({ request, epoch, sender, receiver }: Accepted, afterMs: number): Promise<void> {
    await delay(afterMs);
    this.cancels += 1;
    const agent = this.#cluster.random.pick([sender, receiver]);
    await this.#try(() => this.#cluster.client.cancel(agent, { request, epoch }, { timeoutMs: CALL_TIMEOUT_MS }));
  }

  async #try<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      this.refusals[error.code] = (this.refusals[error.code] ?? 0) + 1;
      return undefined;
    }
  }
}

/** How it ended, or undefined when no agent has announced it in time. */
export async function endOf({ outgoing }: Moving, timeoutMs: number): Promise<RequestEnd | undefined> {
  try {
    return await outgoing.end({ timeoutMs });
  } catch (error) {
    if (isKvferryError(error, 'deadline_exceeded')) return undefined;
    throw error;
  }
}
