/** Shipped agents on simulated ports. Each timer of the simulated clock, with all its consequences, is one turn. */
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { MemoryFabricNetwork } from '../../src/proof/simulation/memory-fabric/network.js';
import { SimulatedAgent } from '../../src/proof/simulation/simulated-agent.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { type Operation, subjects } from '../../src/protocol/subjects.js';
import { Stopwatch } from './stopwatch.js';

const RECEIVER = 'bench-decode';
const PAGE_BYTES = 64;
const EPOCH_DIGITS = 16;
const HEARTBEAT_MS = 1000;
const TIMEOUT_MS = 600_000;
const SEGMENT_BYTES = 65_536;

export class TurnWorld {
  readonly clock = new SimulatedClock();
  readonly network = new MemoryControlNetwork(this.clock);
  readonly fabrics = new MemoryFabricNetwork(this.clock);
  readonly #client = this.network.connect('client');
  readonly #agents = new Map<string, SimulatedAgent>();

  async start(agent: string, role: AgentOptions['role'], { pages = 0 } = {}): Promise<void> {
    const epoch = `${this.#agents.size + 1}`.padStart(EPOCH_DIGITS, '0');
    const life = new SimulatedAgent(this, optionsOf(agent, role, pages), epoch);
    this.#agents.set(agent, life);
    await this.#settle(life.agent.start());
    if (role !== 'prefill') return;
    const path = `/memory/${agent}`;
    this.fabrics.files.set(path, new Uint8Array(SEGMENT_BYTES));
    await this.#call(agent, 'attach', { segment: 'engine', path });
  }

  /** Puts a request of one batch. All its chunks have the same source. */
  async put(agent: string, request: string, keys: readonly string[], receiver = RECEIVER): Promise<void> {
    const source = keys.map(() => ({ segment: 'engine', offset: 0, length: PAGE_BYTES, count: 1 }));
    const batch = { batch: 0, last: true, totalChunks: keys.length, timeoutMs: TIMEOUT_MS, keys, source };
    await this.#call(agent, 'put', { request, receiver, ...batch });
  }

  /** Resolves when so many pieces of writes are on hold. */
  async holding(count: number): Promise<void> {
    await this.#settle(this.fabrics.holding(count));
  }

  kill(agent: string): void {
    this.#agents.get(agent)?.kill();
  }

  /** The longest turn of the next `ms` of simulated time. */
  async longestTurn(ms: number): Promise<number> {
    const watch = new Stopwatch();
    const endMs = this.clock.now() + ms;
    while (await watch.time(() => this.clock.step(endMs)));
    return watch.longestMs;
  }

  async #call(agent: string, operation: Operation, body: object): Promise<void> {
    const text = JSON.stringify({ v: PROTOCOL_VERSION, ...body });
    const answer = await this.#settle(
      this.#client.request(subjects.operation(agent, 'default', operation), text, { timeoutMs: TIMEOUT_MS }),
    );
    if (!answer.includes('"ok":true')) throw new RangeError(`${operation} at ${agent}: ${answer}`);
  }

  async #settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.clock.until(() => isSettled);
    return promise;
  }
}

function optionsOf(agent: string, role: AgentOptions['role'], pages: number): AgentOptions {
  return {
    ...{ agent, role, providers: ['memory'], encryption: 'off' },
    arena: { directory: '/memory', pages, pageBytes: PAGE_BYTES },
    staging: { directory: '/memory', pages: 0, pageBytes: PAGE_BYTES },
    ...{ heartbeatMs: HEARTBEAT_MS, connectTimeoutMs: 5000, attemptTimeoutMs: 2000, inquireIntervalMs: 2000 },
    ...{ writeDrainTimeoutMs: 10_000, shutdownTimeoutMs: 10_000, leaseMs: TIMEOUT_MS, retainedMax: 0 },
    ...{ sweepIntervalMs: 1000, tombstoneMs: TIMEOUT_MS, tombstonesMax: 100_000, requestsMax: 4096 },
    ...{ segmentsMax: 1024, sessionsMax: 256 },
    tenantShares: {},
    tenantRequestsMax: 0,
    tenantPagesMax: 0,
    tenantSegmentsMax: 0,
    tenantBytesPerSecond: 0,
    ...{ journalEntries: 16_384, auditIntervalMs: 0, faultsAllowed: false },
  };
}
