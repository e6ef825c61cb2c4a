/** A cluster in one process: the shipped actors, machines and store on a simulated network, fabric and clock. */
import { afterEach } from 'vitest';
import type { Agent, AgentPorts } from '../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import type { FabricPort } from '../../src/ports/fabric.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { MemoryFabricNetwork } from '../../src/proof/simulation/memory-fabric/network.js';
import { SimulatedAgent, secretsOf } from '../../src/proof/simulation/simulated-agent.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { decodeReply } from '../../src/protocol/codec.js';
import type { SourceReleasedEvent, TerminalEvent } from '../../src/protocol/events.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { type OperationReply, operationSchemas, type StatusReply } from '../../src/protocol/operations.js';
import { type Operation, subjects } from '../../src/protocol/subjects.js';
import { ALL_TENANTS, DEFAULT_TENANT } from '../../src/protocol/tenants.js';
import { KeyPair } from '../../src/sealing/key-pair.js';

export const PAGE_BYTES = 64;

export const defaults: Omit<AgentOptions, 'agent' | 'role'> = {
  providers: ['memory'],
  encryption: 'off',
  arena: { directory: '/memory', pages: 8, pageBytes: PAGE_BYTES },
  staging: { directory: '/memory', pages: 4, pageBytes: PAGE_BYTES },
  heartbeatMs: 1000,
  connectTimeoutMs: 2000,
  attemptTimeoutMs: 500,
  inquireIntervalMs: 1000,
  writeDrainTimeoutMs: 5000,
  shutdownTimeoutMs: 10_000,
  leaseMs: 60_000,
  sweepIntervalMs: 1000,
  tombstoneMs: 300_000,
  tombstonesMax: 1000,
  requestsMax: 100,
  segmentsMax: 1024,
  tenantShares: {},
  tenantRequestsMax: 0,
  tenantPagesMax: 0,
  tenantSegmentsMax: 0,
  tenantBytesPerSecond: 0,
  sessionsMax: 4,
  journalEntries: 4096,
  auditIntervalMs: 0,
  faultsAllowed: false,
  retainedMax: 0,
};

/** The key for which remote keys of this process are sealed. */
export function publicKeyOf(agent: string, epoch: string): string {
  return new KeyPair(secretsOf(`${agent}-${epoch}`)()).publicKey;
}

/** What a test asks as an operator. */
const OBSERVING: ReadonlySet<Operation> = new Set<Operation>(['status', 'inspect', 'journal', 'explain']);

type Body<O extends Operation> = OperationInput<O>;

export class Cluster {
  readonly clock = new SimulatedClock();
  readonly network = new MemoryControlNetwork(this.clock);
  readonly fabrics = new MemoryFabricNetwork(this.clock);
  readonly client = this.network.connect('client');
  readonly terminals: TerminalEvent[] = [];
  readonly released: SourceReleasedEvent[] = [];
  readonly #lives = new Map<string, SimulatedAgent>();
  readonly #killed = new Set<string>();
  #epochs = 0;

  constructor() {
    this.client.subscribe(subjects.terminals, ({ body }) => this.terminals.push(JSON.parse(body)));
    this.client.subscribe('kvferry.v2.source.*.*', ({ body }) => this.released.push(JSON.parse(body)));
  }

  async agent(agent: string, role: AgentOptions['role'], options: Partial<AgentOptions> = {}): Promise<Agent> {
    this.#epochs += 1;
    const epoch = this.epoch(this.#epochs);
    const whole: AgentOptions = { ...defaults, agent, role, ...options };
    const life = new SimulatedAgent(this, whole, epoch, {
      fabric: (fabric) => this.decoratedFabric(fabric, whole),
      ports: (ports) => this.decorated(ports, whole),
    });
    this.#lives.set(epoch, life);
    await this.settle(life.agent.start());
    return life.agent;
  }

  /** Epoch of the nth life of an agent. */
  protected epoch(n: number): string {
    return n.toString(16).padStart(16, '0');
  }

  /** The fabric of an agent, before its remote keys are sealed. A subclass may decorate it. */
  protected decoratedFabric(fabric: FabricPort, _options: AgentOptions): FabricPort {
    return fabric;
  }

  /** The ports of an agent. A subclass may decorate them. */
  protected decorated(ports: AgentPorts, _options: AgentOptions): AgentPorts {
    return ports;
  }

  /** Advances simulated time until `promise` settles, and returns its value. */
  async settle<T>(promise: Promise<T>, maxMs = 60_000): Promise<T> {
    let done = false;
    const finish = () => {
      done = true;
    };
    promise.then(finish, finish);
    await this.clock.until(() => done, maxMs);
    return promise;
  }

  /** Sends any body. Returns the parsed answer, or throws it if it is an error. */
  async raw<O extends Operation>(
    agent: string,
    operation: O,
    body: string,
    tenant = OBSERVING.has(operation) ? ALL_TENANTS : DEFAULT_TENANT,
  ): Promise<OperationReply<O>> {
    const answer = this.client.request(subjects.operation(agent, tenant, operation), body, { timeoutMs: 60_000 });
    return decodeReply(operationSchemas[operation].reply, await this.settle(answer)) as OperationReply<O>;
  }

  /** As an engine of the default tenant, or as an operator, unless the test names the tenant. */
  call<O extends Operation>(agent: string, operation: O, body: Body<O>, tenant?: string): Promise<OperationReply<O>> {
    return this.raw(agent, operation, JSON.stringify({ v: PROTOCOL_VERSION, ...body }), tenant);
  }

  status(agent: string): Promise<StatusReply> {
    return this.call(agent, 'status', {});
  }

  /** Attaches a source segment of `chunks` pages at `agent`. Chunk i has the pattern of `keys[i]`. */
  async segment(agent: string, name: string, keys: readonly string[]): Promise<void> {
    const path = `/memory/${agent}-${name}`;
    const bytes = new Uint8Array(keys.length * PAGE_BYTES);
    for (const [index, key] of keys.entries()) bytes.set(patternOf(key), index * PAGE_BYTES);
    this.fabrics.files.set(path, bytes);
    await this.call(agent, 'attach', { segment: name, path });
  }

  /** Puts one batch. Its chunks are in the segment `engine`, chunk i at page `first + i`. */
  put(
    agent: string,
    request: string,
    keys: readonly string[],
    options: Partial<Body<'put'>> & { first?: number } = {},
  ): Promise<OperationReply<'put'>> {
    const { first = 0, ...rest } = options;
    const run = { segment: 'engine', offset: first * PAGE_BYTES, length: PAGE_BYTES, count: keys.length };
    return this.call(agent, 'put', {
      request,
      receiver: 'decode-0',
      batch: 0,
      last: true,
      totalChunks: keys.length,
      timeoutMs: 30_000,
      keys: [...keys],
      source: keys.length === 0 ? [] : [run],
      ...rest,
    });
  }

  /** Advances time until `request` has ended, and returns its terminal event. */
  async ended(request: string, maxMs = 120_000): Promise<TerminalEvent> {
    const find = () => this.terminals.find((event) => event.request === request);
    await this.clock.until(() => find() !== undefined, maxMs);
    return find() as TerminalEvent;
  }

  /** The bytes that a decode engine reads in the arena for each acquired key. */
  pages(acquired: OperationReply<'acquire'>): Map<string, Uint8Array> {
    const file = this.fabrics.files.get(acquired.arena.path ?? '') ?? new Uint8Array();
    return new Map(
      acquired.keys.map((key, index) => {
        const start = (acquired.pages[index] ?? 0) * acquired.arena.pageBytes;
        return [key, file.slice(start, start + (acquired.lengths[index] ?? 0))];
      }),
    );
  }

  /** Ends an agent as SIGKILL does: it sends and does nothing more. Writes that it posted may still land. */
  kill({ epoch }: { readonly epoch: string }): void {
    this.#lifeOf(epoch).kill();
    this.#killed.add(epoch);
  }

  /** Stops an agent as SIGSTOP does, and continues it after a time as SIGCONT does. */
  async freeze({ epoch }: { readonly epoch: string }, ms: number): Promise<void> {
    const life = this.#lifeOf(epoch);
    life.stop();
    await this.clock.advance(ms);
    life.resume();
  }

  /** Stops an agent as SIGSTOP does. */
  halt({ epoch }: { readonly epoch: string }): void {
    this.#lifeOf(epoch).stop();
  }

  /** Stops an agent as a pause of its machine does: its clock stands still too. */
  pauseMachine({ epoch }: { readonly epoch: string }): void {
    this.#lifeOf(epoch).pause();
  }

  /** Continues an agent as SIGCONT does. */
  goOn({ epoch }: { readonly epoch: string }): void {
    this.#lifeOf(epoch).resume();
  }

  /** Disconnects an agent from NATS for a time. */
  async cutOff(agent: { readonly epoch: string }, ms: number): Promise<void> {
    this.setConnected(agent, false);
    await this.clock.advance(ms);
    this.setConnected(agent, true);
  }

  /** Disconnects an agent from NATS, or connects it again. */
  setConnected({ epoch }: { readonly epoch: string }, connected: boolean): void {
    this.#lifeOf(epoch).control.setConnected(connected);
  }

  #lifeOf(epoch: string): SimulatedAgent {
    const life = this.#lives.get(epoch);
    if (life === undefined) throw new Error(`there is no agent of epoch ${epoch}`);
    return life;
  }

  async stop(): Promise<void> {
    const living = [...this.#lives.values()].filter(({ epoch }) => !this.#killed.has(epoch));
    await this.settle(Promise.all(living.map(({ agent }) => agent.stop())), 600_000);
  }
}

/** The bytes of one page, unique to this key. */
export function patternOf(key: string): Uint8Array {
  let state = 2166136261;
  for (const character of key) state = Math.imul(state ^ character.charCodeAt(0), 16777619);
  return Uint8Array.from({ length: PAGE_BYTES }, () => {
    state = Math.imul(state ^ (state >>> 15), 2246822519) + 1;
    return state >>> 24;
  });
}

/** Makes a cluster that stops at the end of the test. */
export function useCluster(Made: new () => Cluster = Cluster): { create(): Cluster } {
  const clusters: Cluster[] = [];
  afterEach(async () => {
    for (const cluster of clusters.splice(0)) await cluster.stop();
  });
  return {
    create: () => {
      const cluster = new Made();
      clusters.push(cluster);
      return cluster;
    },
  };
}
