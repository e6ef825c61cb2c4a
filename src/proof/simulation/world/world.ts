/**
 * A whole cluster in one process: the shipped agents on simulated ports. The files beside this one contain the requests
 * (`scenario.ts`), the faults (`fault-injector.ts`) and the rules (`checks.ts`, `ledger.ts`).
 */
import type { AgentOptions } from '../../../actors/env/agent-options.js';
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { Provider } from '../../../ports/fabric.js';
import { isKvferryError } from '../../../protocol/errors.js';
import { type MemoryControl, MemoryControlNetwork } from '../memory-control.js';
import { MemoryFabricNetwork } from '../memory-fabric/network.js';
import { SimulatedAgent } from '../simulated-agent.js';
import { SimulatedClock } from '../simulated-clock.js';
import { SkewedClock } from '../skewed-clock.js';
import { PAGE_BYTES } from './chunk.js';
import { Grants } from './grants.js';
import { agentOf } from './participants.js';
import type { AgentPlan, Scenario } from './scenario.js';
import { Silences } from './silences.js';
import { Sources } from './sources.js';
import { type Strike, Strikes } from './strikes.js';
import {
  ATTEMPT_MS,
  CALL_MS,
  CONNECT_MS,
  DRAIN_MS,
  HEARTBEAT_MS,
  INQUIRE_MS,
  LEASE_MS,
  QUIET_MS,
  SWEEP_MS,
} from './timing.js';
import { Trace } from './trace.js';
import { Waits } from './waits.js';

/** Name of the participant that watches the cluster. No fault affects its messages. */
export const OBSERVER = 'observer';

const EPOCH_DIGITS = 16;
const HEXADECIMAL = 16;
const REQUESTS_MAX = 100;
const SEGMENTS_MAX = 100;

/** One agent by name, across all its lives. */
export interface Slot {
  readonly plan: AgentPlan;
  /** Milliseconds of the agent's clock per millisecond of the world's clock. */
  readonly rate: number;
  /** Undefined while the agent is dead. */
  life: SimulatedAgent | undefined;
  /** The last crash. */
  down: Strike | undefined;
  /** When the agent's clock stepped forward for the last time. */
  steppedMs: number;
}

/** In every second scenario: a write that one provider fails is repeated over the other. */
const TWO_PROVIDERS: readonly Provider[] = ['memory', 'tcp'];

export interface Violation {
  /** Name of the broken rule, as in docs/simulation.md. */
  readonly rule: string;
  readonly detail: string;
}

export class World {
  readonly scenario: Scenario;
  readonly clock = new SimulatedClock();
  readonly network = new MemoryControlNetwork(this.clock);
  readonly fabrics = new MemoryFabricNetwork(this.clock, { sliceBytes: PAGE_BYTES, windowBytes: 3 * PAGE_BYTES });
  readonly trace: Trace;
  readonly slots: ReadonlyMap<string, Slot>;
  /** Asks agents for their status without affecting the simulation. */
  readonly observer: KvferryClient;
  readonly observerControl: MemoryControl;
  /** The number of faults by kind. */
  readonly faults: Record<string, number> = {};
  /** All lives of all agents, dead ones too, by the address of their fabric. */
  readonly lives = new Map<string, SimulatedAgent>();
  /** The heartbeats between all pairs of agents. */
  readonly strikes = new Strikes();
  readonly silences = new Silences();
  readonly grants = new Grants();
  readonly waits = new Waits();
  readonly sources = new Sources();
  readonly #dead = new Set<string>();
  readonly #started: ((slot: Slot) => void)[] = [];
  violation: Violation | undefined;

  constructor(scenario: Scenario, options: { readonly trace: boolean }) {
    this.scenario = scenario;
    if (scenario.seed % 2 === 0) this.fabrics.providers = TWO_PROVIDERS;
    this.trace = new Trace(options.trace, () => this.clock.now());
    const rates = new Map<string, number>();
    for (const fault of scenario.faults) if (fault.kind === 'clockSkew') rates.set(fault.target, fault.rate);
    this.slots = new Map(
      scenario.agents.map((plan) => [
        plan.name,
        {
          plan,
          rate: rates.get(plan.name) ?? 1,
          life: undefined,
          down: undefined,
          steppedMs: Number.NEGATIVE_INFINITY,
        },
      ]),
    );
    this.observerControl = this.network.connect(OBSERVER);
    this.observer = new KvferryClient(this.observerControl, { timeoutMs: CALL_MS });
    for (const _ of rates) this.struck('clockSkew');
  }

  get now(): number {
    return this.clock.now();
  }

  slot(agent: string): Slot {
    const slot = this.slots.get(agent);
    if (slot === undefined) throw new Error(`there is no agent ${agent}`);
    return slot;
  }

  living(): SimulatedAgent[] {
    return [...this.slots.values()].flatMap(({ life }) => life ?? []);
  }

  isDead(address: string): boolean {
    return this.#dead.has(address);
  }

  /** From now on, a fault keeps a life from sending and receiving. Returns the function that ends this, once. */
  away({ address }: SimulatedAgent, fault: string): () => void {
    const agent = this.agentAt(address);
    const back = this.silences.away(agent, fault, this.now);
    const strike = this.strikes.add(fault, { agents: [agent], fromMs: this.now, untilMs: Number.POSITIVE_INFINITY });
    return () => {
      if (Number.isFinite(strike.untilMs)) return;
      back(this.now);
      strike.untilMs = this.now;
    };
  }

  /** The name of the agent whose fabric has this address. */
  agentAt(address: string): string {
    return address.slice(0, -EPOCH_DIGITS - 1);
  }

  /** The address of the present life of an agent, or of the last one. */
  lastLife(agent: string): string {
    const { life } = this.slot(agent);
    return life?.address ?? [...this.lives.keys()].findLast((address) => this.agentAt(address) === agent) ?? agent;
  }

  /** The NATS server of a participant. Undefined for the observer, which no fault affects. */
  serverOf(participant: string): number | undefined {
    if (participant === OBSERVER) return undefined;
    return this.slots.get(agentOf(participant))?.plan.server ?? 0;
  }

  struck(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  /** Records a violation. Only the first one counts, because later ones may be its consequence. */
  violate(rule: string, detail: string): void {
    this.violation ??= { rule, detail };
    this.trace.add(() => `VIOLATION ${rule}: ${detail}`);
  }

  at(ms: number, work: () => void): void {
    this.clock.setTimeout(work, ms - this.now);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimeout(resolve, ms));
  }

  /** Calls `listener` for every life, once it has started. */
  onStarted(listener: (slot: Slot) => void): void {
    this.#started.push(listener);
  }

  start(slot: Slot): void {
    const epoch = (this.lives.size + 1).toString(HEXADECIMAL).padStart(EPOCH_DIGITS, '0');
    const place = { ...this.#place, clock: slot.rate === 1 ? this.clock : new SkewedClock(this.clock, slot.rate) };
    const life = new SimulatedAgent(place, optionsOf(slot.plan, this.fabrics.providers), epoch);
    slot.life = life;
    this.lives.set(life.address, life);
    this.trace.add(() => `${life.address} starts`);
    const gone = ({ fenced }: { fenced: { message: string } | null }) => {
      if (fenced !== null && !this.isDead(life.address)) this.violate('fenced', `${life.address}: ${fenced.message}`);
    };
    void life.agent.ended.then(gone);
    life.agent.start().then(
      () => {
        for (const listener of this.#started) listener(slot);
      },
      (error) => {
        if (!this.isDead(life.address)) this.violate('start', `agent ${life.address} did not start: ${error}`);
      },
    );
  }

  kill(slot: Slot): boolean {
    const { life } = slot;
    if (life === undefined) return false;
    this.trace.add(() => `${life.address} is killed`);
    life.kill();
    this.#dead.add(life.address);
    slot.life = undefined;
    return true;
  }

  /** The answer of `call`, or undefined after a refusal or a timeout, which engines must tolerate. */
  async attempt<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (!isKvferryError(error)) this.violate('engine', `${what}: ${error}`);
      this.trace.add(() => `${what} failed: ${error}`);
      return undefined;
    }
  }

  get #place(): { readonly network: MemoryControlNetwork; readonly fabrics: MemoryFabricNetwork } {
    return { network: this.network, fabrics: this.fabrics };
  }
}

function optionsOf({ name, role, pages, retainedMax }: AgentPlan, providers: readonly Provider[]): AgentOptions {
  return {
    agent: name,
    role,
    providers,
    encryption: 'off',
    arena: { directory: '/arena', pages, pageBytes: PAGE_BYTES },
    staging: { directory: '/staging', pages, pageBytes: PAGE_BYTES },
    heartbeatMs: HEARTBEAT_MS,
    connectTimeoutMs: CONNECT_MS,
    attemptTimeoutMs: ATTEMPT_MS,
    inquireIntervalMs: INQUIRE_MS,
    writeDrainTimeoutMs: DRAIN_MS,
    shutdownTimeoutMs: QUIET_MS,
    leaseMs: LEASE_MS,
    retainedMax,
    sweepIntervalMs: SWEEP_MS,
    tombstoneMs: 2 * QUIET_MS,
    tombstonesMax: REQUESTS_MAX,
    requestsMax: REQUESTS_MAX,
    segmentsMax: SEGMENTS_MAX,
    tenantShares: {},
    tenantRequestsMax: 0,
    tenantPagesMax: 0,
    tenantSegmentsMax: 0,
    tenantBytesPerSecond: 0,
    sessionsMax: 64,
    journalEntries: 256,
    auditIntervalMs: 0,
    faultsAllowed: false,
  };
}
