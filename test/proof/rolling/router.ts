/**
 * A router and its load. It follows the rules that docs/guide/router.md gives to routers: where a prompt goes, what is sent again,
 * what is asked when an event is missing, and when a prompt is computed again under another request id.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type AskedRequest, askEnd } from '../../../src/client/ask-end.js';
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { OutgoingRequest } from '../../../src/client/outgoing-request.js';
import type { Random } from '../../../src/figures/random.js';
import { type ErrorCode, isKvferryError, KvferryError } from '../../../src/protocol/errors.js';
import type { Failure } from '../../../src/protocol/fields.js';
import type { LookupReply } from '../../../src/protocol/lookup.js';
import { Samples } from '../chaos/samples.js';
import type { DecodeSide } from './decode-side.js';
import type { EndsHeard } from './ends-heard.js';
import type { PrefillSide } from './prefill-side.js';

const WORKERS = 8;
const REQUEST_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 1500;
/** Time without an event after which the router asks for the end. */
const ASK_AFTER_MS = 1000;
/** Time after the deadline of a request in which its end must be known. */
const END_GRACE_MS = 10_000;
const AGAIN_PAUSE_MS = 200;
/** For a put that is on its way: `unknown_request` may pass. */
const ROUTE_PATIENCE_MS = 3000;
const SHARED_CHUNKS = 6;
const OWN_CHUNKS_MAX = 6;
/** So many prompts one after the other share a prefix. */
const FAMILY_PROMPTS = 12;
const HOLD_MS_MAX = 200;
const PAUSE_MS_MAX = 80;
/** Fraction of the prompts whose receiver is named after they were put. */
const OFFERED = 0.5;

/** After these the documents let a router try again, with another request id. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['agent_draining', 'unknown_receiver', 'no_responders', 'deadline_exceeded', 'disconnected'] as const),
  ...(['receiver_lost', 'sender_lost', 'unknown_request', 'session_ended', 'connection_lost'] as const),
]);

/** Of a request that has ended, or is being given up. */
const ENDING: readonly ErrorCode[] = ['request_ended', 'request_active'];

const NO_REASON: Failure = { code: 'internal', message: 'no reason was given' };

export interface RouterOptions {
  readonly client: KvferryClient;
  readonly prefill: PrefillSide;
  readonly decode: DecodeSide;
  /** A request that the router gives up as lost must not be announced later. */
  readonly ends: EndsHeard;
  /** Number of agents. With their answers a look-up waits no longer. */
  readonly agents: number;
  readonly random: Random;
  readonly say: (line: string) => void;
  /** How often a prompt is tried. */
  readonly attempts: number;
  /** The least and the most time between the two steps of a prompt that is computed in steps. */
  readonly stepMs: readonly [number, number];
}

interface Way {
  readonly prefill: string;
  readonly decode: string;
}

export class Router {
  requests = 0;
  ready = 0;
  /** Attempts after the first one. */
  retried = 0;
  /** The reasons for them, by code. */
  readonly retriedBy: Record<string, number> = {};
  /** Ends whose event was missed, and that an agent reported when it was asked. */
  askedFor = 0;
  /** Prompts that did not become ready, with the reasons of their attempts. */
  readonly lost: string[] = [];
  /** From the choice of the agents until the bytes of the prompt are read for the first time, over all attempts. */
  readonly durations = new Samples();
  readonly #options: RouterOptions;
  readonly #workers: Promise<void>[] = [];
  #isOver = false;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  start(): void {
    for (let worker = 0; worker < WORKERS; worker += 1) this.#workers.push(this.#work());
  }

  /** Rejects after an error that is not a typed one. */
  failure(): Promise<unknown> {
    return Promise.all(this.#workers);
  }

  /** Resolves when the prompts in progress have ended. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    const { random } = this.#options;
    while (!this.#isOver) {
      await this.#serve();
      await pause(random.between(0, PAUSE_MS_MAX));
    }
  }

  async #serve(): Promise<void> {
    this.requests += 1;
    const number = this.requests;
    const keys = this.#prompt(number);
    const { attempts, say } = this.#options;
    const startedMs = performance.now();
    const reasons: string[] = [];
    while (reasons.length < attempts) {
      if (reasons.length > 0) {
        this.retried += 1;
        await pause(AGAIN_PAUSE_MS);
      }
      try {
        await this.#attempt(`prompt-${number}-${reasons.length + 1}`, keys, startedMs);
        this.ready += 1;
        return;
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        reasons.push(`${error.code}: ${error.message}`);
        say(`prompt-${number}-${reasons.length}: ${reasons.at(-1)}`);
        if (!RETRYABLE.has(error.code)) break;
        const reason = error instanceof RequestEnd ? `${error.end} ${error.code}` : error.code;
        this.retriedBy[reason] = (this.retriedBy[reason] ?? 0) + 1;
      }
    }
    this.lost.push(`prompt-${number} is lost after ${reasons.length} attempts: ${reasons.join(' | ')}`);
  }

  /** Keys of a prompt: a prefix that some other prompts have too, and chunks of its own. */
  #prompt(number: number): string[] {
    const family = Math.floor(number / FAMILY_PROMPTS);
    const shared = Array.from({ length: SHARED_CHUNKS }, (_, chunk) => `family-${family}-${chunk}`);
    const own = this.#options.random.integer(1, OWN_CHUNKS_MAX);
    return [...shared, ...Array.from({ length: own }, (_, chunk) => `prompt-${number}-${chunk}`)];
  }

  /** Resolves when the bytes were read. Rejects with the reason why this attempt came to nothing. */
  async #attempt(request: string, keys: readonly string[], startedMs: number): Promise<void> {
    const { prefill, decode, random } = this.#options;
    const way = await this.#choose(keys);
    const chunks = await prefill.fill(way.prefill, keys);
    const isOffered = random.chance(OFFERED);
    const outgoing = prefill.begin(way.prefill, {
      ...{ request, totalChunks: keys.length, timeoutMs: REQUEST_TIMEOUT_MS },
      receiver: isOffered ? undefined : way.decode,
    });
    const first = random.chance(0.5) ? chunks.length : SHARED_CHUNKS;
    try {
      await outgoing.put(chunks.slice(0, first));
    } catch (error) {
      prefill.discard(way.prefill, chunks.slice(first));
      throw error;
    }
    const rest = this.#putRest(outgoing, chunks.slice(first));
    // The route below may fail before anything waits for the rest.
    rest.catch(() => undefined);
    const receiver = isOffered ? await this.#route(request, way, keys) : way.decode;
    await rest;
    const epoch = await this.#readyEpoch(outgoing, { ...way, decode: receiver });
    await decode.read(receiver, { request, epoch }, keys, random.between(0, HOLD_MS_MAX));
    this.durations.add(performance.now() - startedMs);
  }

  /** The next step of chunked prefill. */
  async #putRest(outgoing: OutgoingRequest, chunks: Parameters<OutgoingRequest['put']>[0]): Promise<void> {
    if (chunks.length === 0) return;
    const { random, stepMs } = this.#options;
    await pause(random.between(...stepMs));
    try {
      await outgoing.put(chunks);
    } catch (error) {
      // The terminal event says how.
      if (!isKvferryError(error, ...ENDING)) throw error;
    }
  }

  /** The decode agent with the longest prefix, and the least to do; the prefill agent with the least to do. */
  async #choose(keys: readonly string[], but?: string): Promise<Way> {
    const { client, agents } = this.#options;
    const answers = await client.lookupAll({ keys: [...keys] }, { agents });
    const running = answers.filter(({ state, agent }) => state === 'running' && agent !== but);
    const [decode] = running.filter(({ role }) => role === 'decode').sort(byPrefix);
    const [prefill] = running.filter(({ role }) => role === 'prefill').sort((a, b) => a.requests - b.requests);
    if (decode === undefined || prefill === undefined) {
      const role = decode === undefined ? 'decode' : 'prefill';
      throw new KvferryError('no_responders', `no ${role} agent answers`);
    }
    return { prefill: prefill.agent, decode: decode.agent };
  }

  /** Names the receiver. Resolves with the one that counts. */
  async #route(request: string, way: Way, keys: readonly string[]): Promise<string> {
    const { client } = this.#options;
    let receiver = way.decode;
    for (const untilMs = performance.now() + ROUTE_PATIENCE_MS; ; ) {
      try {
        const route = { request, receiver, timeoutMs: REQUEST_TIMEOUT_MS };
        await client.route(way.prefill, route, { timeoutMs: CALL_TIMEOUT_MS });
        return receiver;
      } catch (error) {
        if (!isKvferryError(error)) throw error;
        const { receiver: named } = error.details;
        if (error.code === 'already_routed' && named !== undefined) return named;
        // The terminal event says how.
        if (ENDING.includes(error.code)) return receiver;
        if (performance.now() > untilMs || !mayRouteAgain(error)) throw error;
        await pause(AGAIN_PAUSE_MS);
        if (error.code === 'unknown_receiver') receiver = (await this.#choose(keys, receiver)).decode;
      }
    }
  }

  /** The epoch of a request that is ready. Rejects with the reason of any other end. */
  async #readyEpoch(outgoing: OutgoingRequest, way: Way): Promise<string> {
    const { request } = outgoing.plan;
    const { ends } = this.#options;
    const epoch = outgoing.epoch ?? '';
    for (const untilMs = performance.now() + REQUEST_TIMEOUT_MS + END_GRACE_MS; performance.now() < untilMs; ) {
      try {
        const { event } = await outgoing.end({ timeoutMs: ASK_AFTER_MS });
        if (event.end === 'ready') return event.epoch;
        throw new RequestEnd(request, event.end, event.reason ?? NO_REASON);
      } catch (error) {
        if (!isKvferryError(error, 'deadline_exceeded') || error instanceof RequestEnd) throw error;
      }
      const end = await this.#ask({ request, epoch, sender: way.prefill, receiver: way.decode });
      if (end === undefined) continue;
      this.askedFor += 1;
      if (end === 'ready') return epoch;
      if (end === 'lost') ends.heard({ request, epoch, end: 'failed' });
      throw new RequestEnd(request, end, { code: 'sender_lost', message: 'an agent reported it when asked' });
    }
    // Not a typed end: the promise of one end is broken.
    throw new KvferryError('internal', `request ${request} has no end`);
  }

  /** An agent that does not answer is asked again later. */
  async #ask(asked: AskedRequest): Promise<Awaited<ReturnType<typeof askEnd>>> {
    try {
      return await askEnd(this.#options.client, asked, { timeoutMs: CALL_TIMEOUT_MS });
    } catch (error) {
      if (isKvferryError(error)) return undefined;
      throw error;
    }
  }
}

/** The end of a request that is not ready. Its code may be that of a call without an answer. */
class RequestEnd extends KvferryError {
  readonly end: string;

  constructor(request: string, end: string, { code, message }: Failure) {
    super(code, `request ${request} is ${end}: ${message}`);
    this.end = end;
  }
}

function byPrefix(a: LookupReply, b: LookupReply): number {
  return b.expected - a.expected || a.queued - b.queued || a.requests - b.requests;
}

/** No answer, a receiver that is away, or a put that the agent does not have yet. */
function mayRouteAgain(error: KvferryError): boolean {
  return isKvferryError(
    error,
    'deadline_exceeded',
    'disconnected',
    'no_responders',
    'unknown_receiver',
    'unknown_request',
  );
}
