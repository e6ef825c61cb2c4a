/**
 * A program that sends messages to agents: right ones, spoilt ones, and bytes that are no message. It poses as other agents, and
 * uses what it is given: remote keys, and pages that it reports as written.
 */
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import type { Random } from '../../../src/figures/random.js';
import { defined } from '../../../src/protocol/defined.js';
import { type Body, drawnBody, type Pools } from './drawn-body.js';
import { type FuzzedAgent, PAGE_BYTES } from './fuzz-cluster.js';
import { type MessageShape, messageShapes } from './message-shapes.js';
import { damagedBytes, inflatedField, spoiltField } from './spoil.js';
import { padded, strangeHeaders, strangeReply, strangeSubject } from './wrapping.js';

const ANSWER_TIMEOUT_MS = 3_000;
const REQUESTS = 40;
const NEW_REQUEST_CHANCE = 0.3;
const KEYS = 300;
const GHOSTS = 4;
const ALLOCATIONS_MAX = 60;
/** Of what was allocated to it, it commits this part of its commits. */
const TRUE_COMMIT_CHANCE = 0.6;
/** Messages that it sends more often than others, because they change the most. */
const OFTEN = ['put', 'allocate', 'allocate', 'commit', 'commit', 'abort', 'acquire', 'report', 'handover'];
const OFTEN_CHANCE = 0.4;

const SPOILT_CHANCE = 0.2;
const INFLATED_CHANCE = 0.02;
const DAMAGED_CHANCE = 0.05;
const WRONG_REPLY_CHANCE = 0.01;

/** It cannot open what is sealed for this key. */
const PUBLIC_KEY = 'B'.repeat(43);

export interface StrangerOptions {
  readonly nats: NatsConnection;
  readonly random: Random;
  readonly agents: readonly FuzzedAgent[];
  /** A file that it may attach. */
  readonly segment: string;
}

export class Stranger {
  /** By message and code. */
  readonly answers: Record<string, Record<string, number>> = {};
  /** Messages that were answered with `internal`. */
  readonly internal: string[] = [];
  readonly #options: StrangerOptions;
  readonly #shapes = messageShapes();
  readonly #byName = new Map(this.#shapes.map((shape) => [shape.name, shape]));
  readonly #ghosts: readonly { readonly name: string; readonly epoch: string }[];
  readonly #requests = Array.from({ length: REQUESTS }, (_, index) => `fuzz-${index}`);
  readonly #grants = ['tcp-1'];
  readonly #allocated: Body[] = [];
  #named = REQUESTS;
  #connection = 0;

  constructor(options: StrangerOptions) {
    this.#options = options;
    const digits = () =>
      options.random
        .integer(0, 2 ** 31)
        .toString(16)
        .padStart(8, '0');
    this.#ghosts = Array.from({ length: GHOSTS }, (_, index) => ({
      name: `ghost-${index}`,
      epoch: `${digits()}${digits()}`,
    }));
  }

  /** Sends one message. Resolves when it is answered, or never will be. */
  async send(): Promise<void> {
    const { random, agents, nats } = this.#options;
    const shape = random.chance(OFTEN_CHANCE) ? this.#often() : random.pick(this.#shapes);
    const agent = random.pick(agents);
    const ghost = random.pick(this.#ghosts);
    const body = this.#body(shape, ghost);
    const subject = strangeSubject(this.#subject(shape, agent, ghost), random);
    const payload = this.#payload(body);
    const headers = strangeHeaders(Buffer.byteLength(payload), random);
    const reply = random.chance(WRONG_REPLY_CHANCE) ? strangeReply(agent.name, random) : undefined;
    if (!shape.isAnswered || reply !== undefined) {
      nats.publish(subject, payload, defined({ headers, reply }));
      return;
    }
    const answer = await this.#ask(subject, payload, headers);
    this.#learn(shape.name, body, answer);
    this.#count(shape.name, answer, payload);
  }

  #often(): MessageShape {
    return this.#byName.get(this.#options.random.pick(OFTEN)) as MessageShape;
  }

  #body(shape: MessageShape, ghost: { readonly name: string; readonly epoch: string }): Body {
    const { random } = this.#options;
    if (shape.name === 'commit' && this.#allocated.length > 0 && random.chance(TRUE_COMMIT_CHANCE)) {
      return { ...random.pick(this.#allocated) };
    }
    const body = drawnBody(shape, this.#pools(), random);
    // A connection of a real sender would be broken by a connection under its epoch: that is no fault of the agent.
    if (shape.name === 'heartbeat') Object.assign(body, { agent: ghost.name, epoch: ghost.epoch });
    if (shape.name === 'connect') {
      this.#connection += 1;
      Object.assign(body, { epoch: ghost.epoch, connection: this.#connection, provider: 'tcp', publicKey: PUBLIC_KEY });
    }
    return body;
  }

  #subject({ address }: MessageShape, agent: FuzzedAgent, ghost: { readonly name: string }): string {
    const known: Record<string, string> = { agent: agent.name, to: agent.name, epoch: agent.epoch, from: ghost.name };
    return address.replaceAll(/\{([^}]+)\}/g, (_, name: string) => known[name] ?? 'default');
  }

  #payload(body: Body): string | Uint8Array {
    const { random } = this.#options;
    const drawn = random.next();
    if (drawn < INFLATED_CHANCE) return JSON.stringify(inflatedField(body, random));
    if (drawn < INFLATED_CHANCE + DAMAGED_CHANCE) return damagedBytes(JSON.stringify(body), random);
    if (drawn > INFLATED_CHANCE + DAMAGED_CHANCE + SPOILT_CHANCE) return padded(JSON.stringify(body), random);
    const spoilt = spoiltField(body, random);
    return JSON.stringify(random.chance(OFTEN_CHANCE) ? spoiltField(spoilt, random) : spoilt);
  }

  async #ask(subject: string, payload: string | Uint8Array, headers: MsgHdrs | undefined): Promise<Body | undefined> {
    try {
      const options = { timeout: ANSWER_TIMEOUT_MS, ...defined({ headers }) };
      const answer = await this.#options.nats.request(subject, payload, options);
      return answer.json<Body>();
    } catch (error) {
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  #learn(name: string, asked: Body, answer: Body | undefined): void {
    if (answer?.['ok'] !== true) return;
    const { grant, allocation } = answer as { grant?: { id: string }; allocation?: Body };
    if (grant !== undefined) this.#keep(this.#grants, grant.id);
    if (name !== 'allocate' || allocation === undefined) return;
    const { pages, generations } = allocation as { pages: number[]; generations: number[] };
    const { v, request, epoch, batch } = asked;
    const lengths = pages.length === 0 ? [] : [{ length: PAGE_BYTES, count: pages.length }];
    this.#keep(this.#allocated, { v, request, epoch, batch, part: 0, pages, generations, lengths });
  }

  #keep<T>(list: T[], element: T): void {
    list.push(element);
    if (list.length > ALLOCATIONS_MAX) list.shift();
  }

  #count(name: string, answer: Body | undefined, payload: string | Uint8Array): void {
    const error = (answer?.['error'] ?? {}) as { code?: string; message?: string };
    const code = answer === undefined ? 'none' : answer['ok'] === true ? 'ok' : (error.code ?? 'none');
    const counts = this.answers[name] ?? {};
    this.answers[name] = counts;
    counts[code] = (counts[code] ?? 0) + 1;
    if (code === 'internal') this.internal.push(`${name}: ${error.message}: ${String(payload).slice(0, 300)}`);
  }

  #pools(): Pools {
    const { random, agents, segment } = this.#options;
    if (random.chance(NEW_REQUEST_CHANCE)) {
      this.#requests[random.integer(0, REQUESTS - 1)] = `fuzz-${this.#named}`;
      this.#named += 1;
    }
    const names = [...agents.map(({ name }) => name), ...this.#ghosts.map(({ name }) => name)];
    const epochs = [...this.#ghosts, ...this.#ghosts, ...agents].map(({ epoch }) => epoch);
    const keys = Array.from({ length: KEYS }, (_, index) => `fuzz-key-${index}`);
    return {
      ...{ request: this.#requests, epoch: epochs, epochs, receiverEpoch: epochs, grant: this.#grants },
      ...{ agent: names, receiver: ['decode-0', 'decode-1', ...names], sender: names, holder: ['h1', 'h2'] },
      ...{ keys, key: keys, page: range(256), pages: range(256), generations: range(4), positions: range(6) },
      ...{ batch: [0, 0, 0, 1, 2], part: [0, 0, 1], offset: range(8).map((page) => page * PAGE_BYTES) },
      ...{ offsets: range(8).map((page) => page * PAGE_BYTES), length: [PAGE_BYTES, PAGE_BYTES, 1, 4096] },
      ...{ timeoutMs: [1, 50, 2000, 5000], silentMs: [1000, 5000], heartbeatMs: [10, 500, 500, 60_000] },
      ...{
        segment: ['fuzz', 'fuzz', 's1', 's2', 'nope'],
        path: [segment, segment, '/etc/hostname', '/nope', '/dev/null'],
      },
      ...{ session: ['a'.repeat(16), 'b'.repeat(16)], order: range(8), provider: ['tcp', 'tcp', 'same-host', 'verbs'] },
      ...{ stride: [PAGE_BYTES], transfer: this.#requests.map((request) => `${agents[0]?.epoch}/${request}/0`) },
    };
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
