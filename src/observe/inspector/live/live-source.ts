/**
 * A live cluster, asked over NATS. Agents are asked only while a page is open and for a short time after. Without a page the
 * inspector costs them nothing.
 */
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { ClockPort } from '../../../ports/clock.js';
import type { ControlPort, ControlStatus } from '../../../ports/control.js';
import { isKvferryError, KvferryError } from '../../../protocol/errors.js';
import type { DescribeReply } from '../../../protocol/operations.js';
import type { ActorView, ClusterView, ExplanationView, FaultOrder, FaultOutcome, SourceView } from '../feed.js';
import { History } from '../history/history.js';
import { type ActorQuery, type ExplainQuery, matchesActor, questionOf, type Source } from '../source.js';
import { Sampling } from './sampling.js';
import { WatchedAgent } from './watched-agent.js';

const DISCOVER_INTERVAL_MS = 2000;
const LOOK_INTERVAL_MS = 500;
const READ_INTERVAL_MS = 200;
/** Long enough to reload a page without a gap. */
const LINGER_MS = 10_000;
const CALL_TIMEOUT_MS = 1000;
/** An agent that has been silent for longer is no longer shown. */
const FORGET_AFTER_MS = 60_000;
const AGENTS_MAX = 512;
/** Most past entries fetched when the first page opens: of one agent, and of all agents together. */
const BACKLOG_PER_AGENT_MAX = 5000;
const BACKLOG_MAX = 40_000;
/** Time limit for the first reading. */
const READY_TIMEOUT_MS = 1500;

export interface LiveSourceOptions {
  /** A separate connection, which the source closes. */
  readonly control: ControlPort;
  readonly clock: ClockPort;
  /** The difference between the time since 1970 and `clock`. */
  readonly originMs: number;
  /** The address to show, without credentials. */
  readonly name: string;
  /** A viewer may provoke faults in agents that allow them. */
  readonly allowFaults: boolean;
}

export class LiveSource implements Source {
  readonly history = new History();
  readonly fault: Source['fault'];
  readonly #options: LiveSourceOptions;
  readonly #client: KvferryClient;
  readonly #agents = new Map<string, WatchedAgent>();
  readonly #sampling: Sampling;
  readonly #timers: unknown[] = [];
  #status: ControlStatus = 'connected';
  #hasDiscovered = false;
  #watchers = 0;
  #isWatching = false;
  #lingering: unknown;
  #isClosed = false;
  #isDiscovering = false;
  #isBehind = false;
  /** Positions in the journals of agents that are no longer watched, in case they answer again. */
  readonly #readTo = new Map<string, number>();
  /** Entries that were missed at those agents. */
  #missedBefore = 0;
  /** Resolves when the current watch has asked every agent once. */
  #firstRound: Promise<void> = Promise.resolve();

  constructor(options: LiveSourceOptions) {
    this.#options = options;
    this.#client = new KvferryClient(options.control);
    this.fault = options.allowFaults ? (order) => this.#fault(order) : undefined;
    this.#sampling = new Sampling(options.clock.now());
    options.control.onStatus((status) => {
      this.#status = status;
    });
  }

  watch(): { close(): void } {
    this.#watchers += 1;
    this.#options.clock.clearTimeout(this.#lingering);
    this.#begin();
    let isOpen = true;
    const close = () => {
      if (!isOpen) return;
      isOpen = false;
      this.#watchers -= 1;
      if (this.#watchers > 0 || this.#isClosed) return;
      this.#lingering = this.#options.clock.setTimeout(() => this.#pause(), LINGER_MS);
    };
    return { close };
  }

  async ready(): Promise<void> {
    const { clock } = this.#options;
    let timer: unknown;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, READY_TIMEOUT_MS);
    });
    await Promise.race([this.#firstRound, late]);
    clock.clearTimeout(timer);
  }

  async actors(query: ActorQuery, atMs?: number): Promise<ActorView[]> {
    if (atMs !== undefined) return this.history.actors(atMs).filter((row) => matchesActor(row, query));
    const { agent, machine, request, actor } = query;
    const input = { ...(request === undefined ? {} : { request }), ...(actor === undefined ? {} : { actor }) };
    const found = await this.#askEach(agent, async (watched) => {
      const { epoch, actors } = await this.#client.inspect(watched.name, input, { timeoutMs: CALL_TIMEOUT_MS });
      return epoch === watched.epoch ? watched.shownActors(actors) : [];
    });
    return found.filter((row) => machine === undefined || row.machine === machine);
  }

  explain({ about, name, agent }: ExplainQuery): Promise<ExplanationView[]> {
    const input = questionOf(about, name);
    return this.#askEach(agent, async (watched) => {
      const { explanations, nowMs } = await this.#client.explain(watched.name, input, { timeoutMs: CALL_TIMEOUT_MS });
      return explanations.map((explanation) => ({ ...explanation, agent: watched.name, nowMs }));
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pause();
    await this.#client.close();
  }

  async #fault({ agent, fault, forMs }: FaultOrder): Promise<FaultOutcome> {
    const input = { fault, ...(forMs === undefined ? {} : { forMs }) };
    const { v: _, ok: __, ...outcome } = await this.#client.fault(agent, input, { timeoutMs: CALL_TIMEOUT_MS });
    return outcome;
  }

  /** Asks one agent, or all. With all, errors of single agents are ignored. */
  async #askEach<T>(name: string | undefined, ask: (agent: WatchedAgent) => Promise<T[]>): Promise<T[]> {
    const asked = [...this.#agents.values()].filter((agent) =>
      name === undefined ? !agent.isSilent : agent.name === name,
    );
    if (name !== undefined && asked.length === 0)
      throw new KvferryError('no_responders', `no agent named ${name} answers`);
    const answers = asked.map(async (agent) => {
      try {
        return await ask(agent);
      } catch (error) {
        if (name === undefined && isKvferryError(error)) return [];
        throw error;
      }
    });
    return (await Promise.all(answers)).flat();
  }

  // --- watching -----------------------------------------------------------------------------------------------------

  #begin(): void {
    if (this.#isWatching || this.#isClosed) return;
    this.#isWatching = true;
    for (const agent of this.#agents.values()) agent.resume();
    this.#firstRound = this.#askOnce();
    this.#every(DISCOVER_INTERVAL_MS, () => void this.#discover());
    this.#every(LOOK_INTERVAL_MS, () => this.#look());
    this.#every(READ_INTERVAL_MS, () => this.#read());
  }

  #pause(): void {
    this.#isWatching = false;
    this.#options.clock.clearTimeout(this.#lingering);
    for (const timer of this.#timers.splice(0)) this.#options.clock.clearTimeout(timer);
    for (const agent of this.#agents.values()) agent.pause();
  }

  /** Gets first data as soon as possible. */
  async #askOnce(): Promise<void> {
    await this.#discover();
    const asked = [...this.#agents.values()].map(async (agent) => {
      await Promise.all([agent.look(), this.#readFrom(agent)]);
      await this.#readFrom(agent);
    });
    await Promise.all(asked);
    if (this.#isWatching) this.#show();
  }

  async #discover(): Promise<void> {
    if (this.#isDiscovering) return;
    this.#isDiscovering = true;
    try {
      const found = await this.#client.discover();
      for (const description of found.slice(0, AGENTS_MAX)) this.#meet(description);
      this.#hasDiscovered = true;
    } catch (error) {
      // NATS is disconnected, which the page shows.
      if (!isKvferryError(error)) throw error;
    } finally {
      this.#isDiscovering = false;
    }
  }

  #meet(description: DescribeReply): void {
    const known = this.#agents.get(description.agent);
    if (known?.epoch === description.epoch) {
      known.description = description;
      return;
    }
    if (known === undefined && this.#agents.size >= AGENTS_MAX) return;
    if (known !== undefined) this.#forget(known);
    const { clock, originMs } = this.#options;
    const ports = { client: this.#client, clock, originMs };
    const agent = new WatchedAgent(description, ports, this.#readTo.get(idOf(description)));
    this.#agents.set(agent.name, agent);
  }

  #forget(agent: WatchedAgent): void {
    this.#agents.delete(agent.name);
    this.#missedBefore += agent.missed;
    if (agent.readTo !== undefined) this.#readTo.set(idOf(agent.description), agent.readTo);
    for (const oldest of this.#readTo.keys()) {
      if (this.#readTo.size <= AGENTS_MAX) break;
      this.#readTo.delete(oldest);
    }
    this.history.gone(agent.name, agent.epoch, this.#nowMs);
  }

  #look(): void {
    for (const agent of [...this.#agents.values()]) {
      if (agent.silentMs > FORGET_AFTER_MS) this.#forget(agent);
      else void this.#lookAt(agent);
    }
    this.#show();
  }

  async #lookAt(agent: WatchedAgent): Promise<void> {
    const isSame = await agent.look();
    if (!isSame) await this.#discover();
  }

  #read(): void {
    if (this.#sampling.decide(this.#options.clock.now(), this.#isBehind)) {
      this.history.sampled(this.#sampling.oneIn, this.#nowMs);
    }
    this.#isBehind = false;
    for (const agent of this.#agents.values()) void this.#readFrom(agent);
  }

  async #readFrom(agent: WatchedAgent): Promise<void> {
    if (!agent.hasBegun) {
      const begun = await agent.begin(Math.min(BACKLOG_PER_AGENT_MAX, Math.floor(BACKLOG_MAX / this.#agents.size)));
      if (begun?.skipped) this.history.gone(agent.name, agent.epoch, this.#nowMs);
      this.history.found(begun?.actors ?? [], this.#nowMs);
      return;
    }
    const { entries, isBacklog, isBehind } = await agent.read(this.#sampling.oneIn);
    if (!isBacklog) this.#sampling.fetched(entries.length);
    this.#isBehind ||= isBehind;
    if (this.#agents.get(agent.name) === agent) this.history.addEntries(entries);
  }

  #show(): void {
    const agents = [...this.#agents.values()].flatMap((agent) => agent.view ?? []);
    agents.sort((a, b) => (a.agent < b.agent ? -1 : 1));
    const view: ClusterView = { timeMs: this.#nowMs, source: this.#sourceView(), agents };
    this.history.addCluster(view);
  }

  #sourceView(): SourceView {
    const missed = [...this.#agents.values()].reduce((sum, agent) => sum + agent.missed, this.#missedBefore);
    return {
      kind: 'live',
      name: this.#options.name,
      state: this.#status === 'connected' && !this.#hasDiscovered ? 'connecting' : this.#status,
      fromMs: this.history.fromMs ?? this.#nowMs,
      toMs: this.#nowMs,
      oneIn: this.#sampling.oneIn,
      missed,
      faultsAllowed: this.fault !== undefined,
    };
  }

  /** Runs `work` at once and then periodically. */
  #every(intervalMs: number, work: () => void): void {
    const { clock } = this.#options;
    const slot = this.#timers.length;
    const tick = () => {
      this.#timers[slot] = clock.setTimeout(tick, intervalMs);
      work();
    };
    this.#timers[slot] = clock.setTimeout(tick, 0);
  }

  get #nowMs(): number {
    return this.#options.clock.now() + this.#options.originMs;
  }
}

function idOf({ agent, epoch }: DescribeReply): string {
  return `${agent}/${epoch}`;
}
