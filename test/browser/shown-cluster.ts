/**
 * A cluster for the page to show: shipped agents on the simulated network, fabric and clock, some of whose requests share
 * prefixes, wait, fail and are handed over. The same in every run, so that pictures of it are the same.
 */

import type { Agent } from '../../src/actors/agent/agent-actor.js';
import { Random } from '../../src/figures/random.js';
import { LiveSource } from '../../src/observe/inspector/live/live-source.js';
import type { ControlPort } from '../../src/ports/control.js';
import { defined } from '../../src/protocol/defined.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Ranks } from '../../src/protocol/fields.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { type Operation, subjects } from '../../src/protocol/subjects.js';
import { DEFAULT_TENANT } from '../../src/protocol/tenants.js';
import { Cluster, defaults, PAGE_BYTES } from '../actors/support.js';

/** When the simulated clock began. */
const ORIGIN_MS = Date.UTC(2026, 1, 3, 14, 0, 0);
/** Simulated pages are small; they are shown as pages of this size. */
const SHOWN_PAGE_BYTES = 3 * 1024 * 1024;
const DOCUMENTS = 10;
const DOCUMENT_CHUNKS = 12;
const QUESTIONS = 1600;
const STEP_MS = 20;
const HOLD_MS = 900;
const INSPECTOR = 'inspector';

const hash = (value: number) => (Math.imul(value + 1, 2654435761) >>> 0).toString(16).padStart(8, '0');
const keys = Array.from(
  { length: DOCUMENTS * DOCUMENT_CHUNKS + QUESTIONS },
  (_, n) => `llama-3-70b@8@0@${hash(n)}@bf16`,
);

interface Load {
  readonly sender: string;
  readonly receiver: string;
  /** Requests begun in a second of simulated time. */
  readonly perSecond: number;
}

/** Epochs that look as random ones do. */
class ClusterWithEpochs extends Cluster {
  protected override epoch(n: number): string {
    return hash(n) + hash(n + 77);
  }
}

export class ShownCluster implements AsyncDisposable {
  readonly cluster = new ClusterWithEpochs();
  /** Who puts requests while time goes by. */
  loads: readonly Load[] = [];
  readonly #random = new Random(7);
  readonly #faults: string[] = [];
  readonly #senders = new Map<string, Agent>();
  readonly #frozen = new Map<string, Agent>();
  #requests = 0;
  #question = 0;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor() {
    const { network, fabrics } = this.cluster;
    network.fate = ({ from, to }) => ({
      copies: 1,
      delayMs: from === INSPECTOR || to === INSPECTOR ? 0 : this.#random.between(0.15, 0.6),
    });
    fabrics.fate = () => ({ kind: 'deliver', delayMs: this.#random.between(0.6, 3) });
    this.cluster.client.subscribe(subjects.fault('*'), ({ subject, body, respond }) => {
      const { fault } = JSON.parse(body);
      const [, , , agent = ''] = subject.split('.');
      this.#faults.push(`${agent} ${fault}`);
      const error = { code: 'unknown_operation', message: `${agent} writes nothing now` };
      const ok = { v: PROTOCOL_VERSION, ok: true, agent, epoch: '0123456789abcdef', forMs: 5000 };
      respond(JSON.stringify(fault === 'zombie-writer' ? { v: PROTOCOL_VERSION, ok: false, error } : ok));
    });
    this.cluster.client.subscribe(subjects.terminals, ({ body }) => {
      const { end, request, epoch, receiver } = JSON.parse(body);
      if (end === 'ready' && !request.startsWith('keep')) this.#read(receiver, request, epoch);
    });
  }

  /** What was injected over the inspector. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Two prefill agents for a large decode agent, one for a small one. */
  async start({ pages = 640, smallPages = 50, requestsPerSecond = 56 } = {}): Promise<void> {
    const arena = (count: number) => ({
      arena: { ...defaults.arena, pages: count },
      retainedMax: Math.floor(count / 3),
    });
    await this.cluster.agent('decode-0', 'decode', arena(pages));
    await this.cluster.agent('decode-1', 'decode', { ...arena(smallPages), retainedMax: 0 });
    for (const sender of ['prefill-0', 'prefill-1', 'prefill-2']) await this.addSender(sender);
    this.loads = [
      { sender: 'prefill-0', receiver: 'decode-0', perSecond: requestsPerSecond },
      { sender: 'prefill-1', receiver: 'decode-0', perSecond: requestsPerSecond / 2 },
      { sender: 'prefill-2', receiver: 'decode-1', perSecond: 2 },
    ];
  }

  /** As SIGSTOP does, until all is over. */
  freeze(name: string): void {
    const agent = this.#senders.get(name);
    if (agent === undefined) throw new Error(`there is no ${name}`);
    this.cluster.halt(agent);
    this.#frozen.set(name, agent);
  }

  /** A prefill agent and its engine, which has every chunk. */
  async addSender(name: string): Promise<Agent> {
    const agent = await this.cluster.agent(name, 'prefill');
    await this.cluster.segment(name, 'engine', keys);
    this.#senders.set(name, agent);
    return agent;
  }

  source(): LiveSource {
    return new LiveSource({
      control: shownAsLarge(this.cluster.network.connect(INSPECTOR), (subject) => this.#isFrozen(subject)),
      clock: this.cluster.clock,
      originMs: ORIGIN_MS,
      name: 'nats://10.0.0.5:4222',
      allowFaults: true,
    });
  }

  /** Lets that much simulated time go by under load. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      for (const load of this.loads) {
        if (this.#random.chance((load.perSecond * STEP_MS) / 1000)) this.#put(load);
      }
      await this.#advance(STEP_MS);
    }
  }

  /** The same without new requests. */
  async wait(ms: number): Promise<void> {
    await this.#advance(ms);
  }

  /** Simulated time stands still, but what is asked is answered. Or, with a speed, time goes on at that speed. */
  tick(speed = 0): void {
    const intervalMs = 20;
    this.#ticking = setInterval(() => void (speed === 0 ? this.#advance(0) : this.run(intervalMs * speed)), intervalMs);
  }

  /** Puts one request, or one rank of it; returns its id. */
  put(sender: string, receiver: string, chunks: readonly number[], name?: string, ranks?: Ranks): string {
    this.#requests += 1;
    const request = name ?? `chat-${hash(this.#requests).slice(0, 6)}`;
    const source = chunks.map((chunk) => ({ segment: 'engine', offset: chunk * PAGE_BYTES, length: PAGE_BYTES }));
    this.#send(sender, 'put', {
      request,
      receiver,
      batch: 0,
      last: true,
      totalChunks: chunks.length,
      timeoutMs: 30_000,
      ...defined({ ranks }),
      keys: chunks.map((chunk) => keys[chunk]),
      source,
    });
    return request;
  }

  cancel(agent: string, request: string): void {
    this.#send(agent, 'cancel', { request });
  }

  /** Numbers of chunks of a prompt: part of a document, then a question of its own. */
  prompt(document: number, chunks: number, questions: number): number[] {
    const shared = Array.from({ length: chunks }, (_, n) => document * DOCUMENT_CHUNKS + n);
    const own = Array.from({ length: questions }, (_, n) => {
      const chunk = DOCUMENTS * DOCUMENT_CHUNKS + ((this.#question + n) % QUESTIONS);
      return chunk;
    });
    this.#question += questions;
    return [...shared, ...own];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticking);
    await this.#turn;
    for (const agent of this.#frozen.values()) this.cluster.goOn(agent);
    await this.cluster.stop();
  }

  /** One at a time: two that move the same clock would get in each other's way. */
  #advance(ms: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.cluster.clock.advance(ms));
    return this.#turn;
  }

  #isFrozen(subject: string): boolean {
    return [...this.#frozen.keys()].some((name) => subject.includes(`.${name}.`));
  }

  #put({ sender, receiver }: Load): void {
    const isSmall = receiver === 'decode-1';
    const chunks = this.#random.integer(isSmall ? 2 : 4, isSmall ? 5 : DOCUMENT_CHUNKS);
    this.put(sender, receiver, this.prompt(this.#random.integer(0, DOCUMENTS - 1), chunks, this.#random.integer(1, 5)));
  }

  #read(receiver: string, request: string, epoch: string): void {
    const { clock } = this.cluster;
    clock.setTimeout(() => this.#send(receiver, 'acquire', { request, epoch }), 2);
    clock.setTimeout(() => this.#send(receiver, 'release', { request, epoch }), this.#random.between(0.3, 1) * HOLD_MS);
  }

  #send(agent: string, operation: Operation, body: object): void {
    const text = JSON.stringify({ v: PROTOCOL_VERSION, ...body });
    // How it went is in the journal of the agent, where the page shows it.
    this.cluster.client
      .request(subjects.operation(agent, DEFAULT_TENANT, operation), text, { timeoutMs: 10_000 })
      .catch(() => undefined);
  }
}

/**
 * What the inspector hears, with the sizes and the provider of a real cluster. Who is frozen does not answer: that is said at
 * once, since the simulated time that it would take stands still.
 */
function shownAsLarge(control: ControlPort, isFrozen: (subject: string) => boolean): ControlPort {
  const factor = SHOWN_PAGE_BYTES / PAGE_BYTES;
  const shown = (body: string) =>
    JSON.stringify(JSON.parse(body), (key, value) => {
      if (typeof value === 'number' && /^(pageBytes|bytes|bytes_.*)$/.test(key)) return value * factor;
      // Simulated agents have nobody who does faults to them.
      if (key === '' && value.heartbeatMs !== undefined) return { ...value, faultsAllowed: true };
      if (key === 'provider' && value === 'memory') return 'tcp';
      return key === 'detail' && value === 'in memory' ? 'over 10.0.0.0/24' : value;
    });
  return {
    messageBytesMax: control.messageBytesMax,
    request: async (subject, ...args) => {
      if (isFrozen(subject)) throw new KvferryError('deadline_exceeded', `${subject}: no answer`);
      return shown(await control.request(subject, ...args));
    },
    requestAll: async (...args) => (await control.requestAll(...args)).map(shown),
    publish: (...args) => control.publish(...args),
    subscribe: (...args) => control.subscribe(...args),
    onStatus: (listener) => control.onStatus(listener),
    reconnect: () => control.reconnect(),
    flush: () => control.flush(),
    close: () => control.close(),
  };
}
