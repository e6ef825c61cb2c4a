/** Faults while the load runs: a lane for each agent, and lanes for NATS, wall clocks, engines that die, and full arenas. */
import { setTimeout as delay } from 'node:timers/promises';
import { poll } from '../../../src/processes/within.js';
import type { AgentSlot } from './agent-slot.js';
import { CALL_TIMEOUT_MS, type ChaosCluster, HEARTBEAT_MS } from './chaos-cluster.js';
import { endOf, type Load } from './load.js';
import type { MortalEngines } from './mortal-engines.js';
import { RECEIVER_STEPS, RECEIVER_STEPS_OF_SOME, SENDER_STEPS, SENDER_STEPS_OF_SOME } from './steps.js';

/** If an agent does not reach its step within this time, it is killed at once. */
const STEP_TIMEOUT_MS = { always: 1500, sometimes: 3000 };
/** Fraction of the kills at a random time instead of at a step. */
const RANDOM_KILLS = 0.2;
const RANDOM_LIFE_MS = 1200;
/** After `long`, peers have detected the death by themselves. After `short`, the heartbeat of the next process reveals it. */
const AWAY_MS = { short: 0, long: HEARTBEAT_MS * 4 };
const STOPS = 0.15;
const STOPPED_MS_MAX = 1500;
const ZOMBIES = 0.3;
const ZOMBIE_CHUNKS = 24;
const ZOMBIE_STEP_TIMEOUT_MS = 1500;
const FENCE_TIMEOUT_MS = 4000;
const REJECT_TIMEOUT_MS = 3000;
/** Longest pause between two faults of one agent. */
const REST_MS_MAX = 1200;
const SHORT_REST_MS = 100;
const SEASON_MS = 5000;
const NATS_EVERY_MS = 6000;
/** How long a route is cut, a server is frozen, or a killed server is away. */
const NATS_AWAY_MS = { min: 200, max: 2000 };
/** Pause between two servers that are replaced one after the other. */
const ROLL_REST_MS = 1500;
const CLOCK_EVERY_MS = 4000;
const CLOCK_STEP_SECONDS = 3600;
const ENGINE_EVERY_MS = 1500;
const HOG_EVERY_MS = 7000;
const HOG_CHUNKS = 40;

export class Faults {
  stops = 0;
  restarts = 0;
  zombies = 0;
  zombieWritesRejected = 0;
  hogs = 0;
  /** Steps at which an agent was killed. */
  readonly stepsReached = new Set<string>();
  readonly #cluster: ChaosCluster;
  readonly #load: Load;
  readonly #engines: MortalEngines;
  readonly #lanes: Promise<void>[] = [];
  readonly #end = new AbortController();
  readonly #queues: Record<'prefill' | 'decode', string[]> = { prefill: [], decode: [] };
  /** The step at which each process will be killed. */
  readonly #armed = new Map<AgentSlot, string>();
  #startedMs = 0;
  #natsFaults = 0;
  #sparing = false;

  constructor(cluster: ChaosCluster, load: Load, engines: MortalEngines) {
    this.#cluster = cluster;
    this.#load = load;
    this.#engines = engines;
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#lanes.push(...this.#cluster.slots.map((slot) => this.#lane(slot)));
    this.#lanes.push(this.#every(NATS_EVERY_MS, () => this.#disturbNats()));
    this.#lanes.push(this.#every(CLOCK_EVERY_MS, () => this.#stepClock()));
    this.#lanes.push(this.#every(ENGINE_EVERY_MS, () => this.#engines.liveOnce()));
    this.#lanes.push(this.#every(HOG_EVERY_MS, () => this.#hog()));
  }

  /** From now on no receiver is killed, so that pages they lose add up, and no agent is killed at a step. */
  spare(): void {
    this.#sparing = true;
  }

  failure(): Promise<unknown> {
    return Promise.all(this.#lanes);
  }

  /** Ends the faults. Every agent then runs without an armed failpoint. */
  async stop(): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#lanes);
    for (const slot of this.#cluster.slots) {
      slot.signal('SIGCONT');
      if (!slot.isAlive || this.#armed.has(slot)) await this.#replace(slot);
    }
  }

  async #replace(slot: AgentSlot): Promise<void> {
    if (slot.isAlive) await slot.kill();
    this.#armed.delete(slot);
    await this.#restart(slot, '');
  }

  get #over(): boolean {
    return this.#end.signal.aborted;
  }

  async #lane(slot: AgentSlot): Promise<void> {
    while (!this.#over) {
      if (slot.shields > 0 || !this.#inSeason(slot)) {
        await this.#rest(SHORT_REST_MS);
        continue;
      }
      const { random } = this.#cluster;
      const isSender = slot.role === 'prefill';
      if (isSender && (this.zombies === 0 || random.next() < ZOMBIES)) await this.#zombie(slot);
      else if (this.#sparing && !isSender && this.#armed.has(slot)) await this.#replace(slot);
      else if (random.next() < STOPS || (this.#sparing && !isSender)) await this.#pause(slot);
      else await this.#kill(slot);
      await this.#rest(random.next() * REST_MS_MAX);
    }
  }

  /** Faults strike both sides, then only senders, then only receivers. So each side has times without faults of its own. */
  #inSeason(slot: AgentSlot): boolean {
    const season = Math.floor((performance.now() - this.#startedMs) / SEASON_MS) % 3;
    return season === 0 || (season === 1) === (slot.role === 'prefill');
  }

  /** Waits until the agent dies at its step, or kills it after a random time. Then starts a process with the next step. */
  async #kill(slot: AgentSlot): Promise<void> {
    const { random } = this.#cluster;
    const step = this.#armed.get(slot);
    const waitMs = step === undefined ? random.next() * RANDOM_LIFE_MS : patienceMs(step);
    await this.#rest(waitMs, slot.exited);
    if (slot.isAlive && (slot.shields > 0 || this.#over)) return;
    if (slot.isAlive) await slot.kill();
    else if (step !== undefined) this.stepsReached.add(step);
    await delay(random.pick([AWAY_MS.short, AWAY_MS.long, AWAY_MS.long]));
    await this.#arm(slot);
  }

  async #arm(slot: AgentSlot): Promise<void> {
    const atRandom = this.#sparing || this.#cluster.random.next() < RANDOM_KILLS;
    const step = atRandom ? undefined : this.#nextStep(slot.role);
    if (step === undefined) {
      this.#armed.delete(slot);
      await this.#restart(slot, '');
      return;
    }
    this.#armed.set(slot, step);
    if (await this.#restart(slot, `${step}=kill`)) return;
    this.stepsReached.add(step);
    this.#armed.delete(slot);
    await this.#restart(slot, '');
  }

  #restart(slot: AgentSlot, failpoints: string, serve = true): Promise<boolean> {
    this.restarts += 1;
    return this.#cluster.bringUp(slot, failpoints, serve);
  }

  #nextStep(role: 'prefill' | 'decode'): string {
    const queue = this.#queues[role];
    if (queue.length === 0) {
      queue.push(
        ...(role === 'prefill'
          ? [...SENDER_STEPS, ...SENDER_STEPS_OF_SOME]
          : [...RECEIVER_STEPS, ...RECEIVER_STEPS_OF_SOME]),
      );
    }
    return queue.shift() as string;
  }

  async #pause(slot: AgentSlot): Promise<void> {
    this.stops += 1;
    slot.signal('SIGSTOP');
    await delay(this.#cluster.random.next() * STOPPED_MS_MAX);
    slot.signal('SIGCONT');
  }

  /**
   * Stops a sender during a write, until its receiver has fenced it and given the pages to another request. Then the sender
   * continues. The receiver must reject the rest of its write, and the bytes in the pages must not change.
   */
  async #zombie(slot: AgentSlot): Promise<void> {
    const receiver = this.#cluster.decode.find(({ inService, shields }) => inService && shields === 0);
    if (receiver === undefined) return;
    receiver.shields += 1;
    try {
      if (slot.isAlive) await slot.kill();
      this.#armed.delete(slot);
      // The load does not use it: the write that is stopped must be a large one.
      if (!(await this.#restart(slot, 'write.underway=stop', false))) return;
      const fenced = await this.#stopUnderWrite(slot, receiver);
      if (fenced) await this.#wake(slot, receiver);
      // A sender that has not stopped yet would still stop at its next write.
      else await this.#replace(slot);
    } finally {
      slot.signal('SIGCONT');
      slot.inService = slot.isAlive && slot.epoch !== undefined;
      receiver.shields -= 1;
    }
  }

  async #stopUnderWrite(slot: AgentSlot, receiver: AgentSlot): Promise<boolean> {
    const { pool, client, attempt } = this.#cluster;
    const epoch = slot.epoch;
    const entry = await this.#load.put(slot, receiver, pool.fresh(ZOMBIE_CHUNKS));
    if (entry === undefined) return false;
    const stopped = await poll(ZOMBIE_STEP_TIMEOUT_MS, async () => slot.isStopped || undefined);
    if (stopped === undefined) return false;
    this.stops += 1;
    slot.touch();
    // The receiver removes the peer first, and then revokes its key. It revokes keys one at a time, and the counter only grows.
    const before = await attempt(() =>
      client.status(receiver.name, { lists: ['segments', 'peers'] }, { timeoutMs: CALL_TIMEOUT_MS }),
    );
    if (before === undefined || !before.peers.some((peer) => peer.epoch === epoch)) return false;
    const revoked = before.counters['grants_revoked'] ?? 0;
    const fenced = await poll(FENCE_TIMEOUT_MS, async () => {
      const now = await attempt(() =>
        client.status(receiver.name, { lists: ['segments', 'peers'] }, { timeoutMs: CALL_TIMEOUT_MS }),
      );
      if (now === undefined || now.peers.some((peer) => peer.epoch === epoch)) return undefined;
      return (now.counters['grants_revoked'] ?? 0) > revoked || undefined;
    });
    return fenced === true;
  }

  async #wake(slot: AgentSlot, receiver: AgentSlot): Promise<void> {
    const { prefill, pool, reader, client, attempt } = this.#cluster;
    const other = prefill.find(({ inService, name }) => inService && name !== slot.name);
    const keys = pool.fresh(ZOMBIE_CHUNKS);
    const heir = other === undefined ? undefined : await this.#load.put(other, receiver, keys);
    const ending = heir === undefined ? undefined : await endOf(heir, FENCE_TIMEOUT_MS);
    const reading =
      heir !== undefined && ending?.event.end === 'ready'
        ? await attempt(() => reader.read(heir, keys, ending.atMs))
        : undefined;
    this.zombies += 1;
    slot.signal('SIGCONT');
    const rejected = await poll(REJECT_TIMEOUT_MS, async () => {
      const status = await attempt(() =>
        client.status(slot.name, { lists: ['segments', 'peers'] }, { timeoutMs: CALL_TIMEOUT_MS }),
      );
      return status?.counters['writes_rejected'];
    });
    this.zombieWritesRejected += rejected ?? 0;
    if (heir === undefined || reading === undefined) return;
    await reader.check(heir, reading);
    await attempt(() => reading.release());
  }

  /** The next disturbance of NATS, in turn. */
  async #disturbNats(): Promise<void> {
    const { nats, random } = this.#cluster;
    const number = this.#natsFaults;
    this.#natsFaults += 1;
    const forMs = NATS_AWAY_MS.min + random.next() * (NATS_AWAY_MS.max - NATS_AWAY_MS.min);
    const which = random.integer(0, nats.size - 1);
    const faults = [
      () => nats.resetRoute(which),
      () => nats.freeze(which, forMs),
      () => nats.cutRoute(which, forMs),
      () => nats.restart(which, forMs),
      () => nats.freeze(which, forMs),
      () => nats.cutRoute(which, forMs),
      () => nats.roll(ROLL_REST_MS),
    ];
    await this.#cluster.disturbNats(faults[number % faults.length] as () => Promise<void>);
  }

  async #stepClock(): Promise<void> {
    const { random, slots } = this.#cluster;
    this.#cluster.stepClock(random.pick(slots), random.pick([-CLOCK_STEP_SECONDS, 0, CLOCK_STEP_SECONDS]));
  }

  /** Fills nearly the whole arena and never releases it, so its leases must expire. */
  async #hog(): Promise<void> {
    const { prefill, decode, pool } = this.#cluster;
    const sender = prefill.find(({ inService }) => inService);
    const receiver = decode.find(({ inService }) => inService);
    if (sender === undefined || receiver === undefined) return;
    this.hogs += 1;
    await this.#load.put(sender, receiver, pool.fresh(HOG_CHUNKS));
  }

  async #every(intervalMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.#over) {
      await this.#rest(intervalMs);
      if (!this.#over) await work();
    }
  }

  /** Waits for that time, until `sooner` has resolved, or until the faults end. Leaves no listener behind. */
  async #rest(timeMs: number, sooner?: Promise<void>): Promise<void> {
    const { signal } = this.#end;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, timeMs);
      signal.addEventListener('abort', wake);
      void sooner?.then(wake);
      if (signal.aborted) wake();
    });
  }
}

function patienceMs(step: string): number {
  const always: readonly string[] = [...SENDER_STEPS, ...RECEIVER_STEPS];
  return always.includes(step) ? STEP_TIMEOUT_MS.always : STEP_TIMEOUT_MS.sometimes;
}
