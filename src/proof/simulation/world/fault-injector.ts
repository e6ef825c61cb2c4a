/** Injects the faults of a scenario into messages, writes, processes and connections to NATS. */

import { Random } from '../../../figures/random.js';
import type { Envelope, Fate } from '../memory-control.js';
import type { MemorySlice, SliceFate } from '../memory-fabric/slice.js';
import type { SimulatedAgent } from '../simulated-agent.js';
import type { FaultPlan } from './scenario.js';
import { MENDED_MS } from './timing.js';
import { OBSERVER, type Slot, type World } from './world.js';

/** Milliseconds. */
const LATENCY = { from: 0.2, to: 1.4 };
const SLICE = { from: 0.2, to: 3 };
const DELAYED = { from: 50, to: 1500 };
const REORDERED = { from: 1, to: 15 };
const SLOW = { from: 100, to: 1500 };
const LATE = { from: 1500, to: 5000 };
/** The sender of a late write dies this long after the write begins. Another life starts after `LATE_DOWN_MS`. */
const LATE_DEATH = { from: 1, to: 40 };
const LATE_DOWN_MS = 400;

type Range = { readonly from: number; readonly to: number };
type WindowPlan = Extract<FaultPlan, { readonly salt: number }>;
type StrikePlan = Extract<FaultPlan, { readonly afterMessages: number }>;

/** A strike that counts the messages until it happens. */
interface Armed {
  readonly plan: StrikePlan;
  messages: number;
}

export class FaultInjector {
  readonly #world: World;
  readonly #random: Random;
  readonly #latencies = new Map<string, number>();
  readonly #windows: { readonly plan: WindowPlan; readonly random: Random }[] = [];
  readonly #armed = new Set<Armed>();
  /** Pairs between which nothing passes. */
  readonly #partitions = new Set<readonly string[]>();
  /** The number of faults that cut off each life now. */
  readonly #cuts = new Map<SimulatedAgent, number>();
  readonly #listeners: ((envelope: Envelope) => void)[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#random = new Random(world.scenario.seed + 1);
    world.network.fate = (envelope) => this.#fateOf(envelope);
    world.fabrics.fate = (slice) => this.#sliceFate(slice);
    world.fabrics.landed = (slice) => {
      if (world.isDead(slice.from)) world.struck('writeLate');
    };
    for (const plan of world.scenario.faults) this.#prepare(plan);
    world.at(MENDED_MS, () => this.#mend());
  }

  /** Calls `listener` for every message, when it is sent. */
  onMessage(listener: (envelope: Envelope) => void): void {
    this.#listeners.push(listener);
  }

  #prepare(plan: FaultPlan): void {
    const world = this.#world;
    switch (plan.kind) {
      case 'crash':
      case 'freeze':
        world.at(plan.fromMs, () => this.#armed.add({ plan, messages: 0 }));
        return;
      case 'cutOff':
        this.#between(plan, () => this.#cutOff([plan.target]));
        return;
      case 'natsRestart':
        this.#between(plan, () => this.#cutOff(world.scenario.agents.map(({ name }) => name)));
        return;
      case 'partition':
        this.#between(plan, () => {
          this.#partitions.add(plan.between);
          return () => this.#partitions.delete(plan.between);
        });
        return;
      case 'clockSkew':
      case 'routerCrash':
        // `World` skews the clocks, and `Router` injects its own crashes.
        return;
      default:
        this.#windows.push({ plan, random: new Random(plan.salt) });
    }
  }

  #between(
    { kind, fromMs, untilMs }: { readonly kind: string; readonly fromMs: number; readonly untilMs: number },
    begin: () => () => void,
  ): void {
    const world = this.#world;
    world.at(fromMs, () => {
      world.trace.add(() => `${kind} begins`);
      world.struck(kind);
      const end = begin();
      world.at(untilMs, () => {
        world.trace.add(() => `${kind} ends`);
        end();
      });
    });
  }

  #cutOff(agents: readonly string[]): () => void {
    const lives = agents.flatMap((agent) => this.#world.slot(agent).life ?? []);
    for (const life of lives) {
      this.#cuts.set(life, (this.#cuts.get(life) ?? 0) + 1);
      life.control.setConnected(false);
      this.#world.unreachable(life, Number.POSITIVE_INFINITY);
    }
    return () => {
      for (const life of lives) {
        const cuts = (this.#cuts.get(life) ?? 1) - 1;
        this.#cuts.set(life, cuts);
        if (cuts > 0) continue;
        life.control.setConnected(true);
        this.#world.unreachable(life, this.#world.now);
      }
    };
  }

  /** Starts every dead agent, continues every stopped one, and ends all faults. */
  #mend(): void {
    const world = this.#world;
    world.trace.add(() => 'everything is mended');
    this.#armed.clear();
    this.#windows.length = 0;
    for (const slot of world.slots.values()) {
      if (slot.life === undefined) world.start(slot);
      else if (slot.life.isStopped) this.#resume(slot.life);
    }
  }

  // --- messages -----------------------------------------------------------------------------------------------------

  #fateOf(envelope: Envelope): Fate {
    const { from, to } = envelope;
    if (from === OBSERVER || to === OBSERVER) return { copies: 1, delayMs: 0 };
    for (const listener of this.#listeners) listener(envelope);
    this.#countFor(from);
    this.#countFor(to);
    const fate = this.#misfortune(envelope);
    this.#world.links.note(envelope, this.#world.now, fate);
    this.#world.trace.add(() => line(envelope, fate));
    return fate;
  }

  #misfortune({ from, to }: Envelope): Fate {
    const world = this.#world;
    let copies = 1;
    let delayMs = this.#latency(from, to);
    const parted = [...this.#partitions].some((pair) => pair.includes(from) && pair.includes(to));
    if (parted) return { copies: 0, delayMs };
    for (const { plan, random } of this.#open()) {
      switch (plan.kind) {
        case 'messageLost':
          copies = 0;
          break;
        case 'messageRepeated':
          copies *= 2;
          break;
        case 'messageDelayed':
          delayMs += within(random, DELAYED);
          break;
        case 'messageReordered':
          delayMs += within(random, REORDERED);
          break;
        default:
          continue;
      }
      world.struck(plan.kind);
    }
    return { copies, delayMs };
  }

  /** The windows that are open now and whose fault strikes this time. */
  *#open(): Generator<{ readonly plan: WindowPlan; readonly random: Random }> {
    const { now } = this.#world;
    for (const window of this.#windows) {
      const { fromMs, untilMs, rate } = window.plan;
      if (now >= fromMs && now < untilMs && window.random.chance(rate)) yield window;
    }
  }

  /** The latency of a link. It is constant, so messages keep their order unless a fault reorders them. */
  #latency(from: string, to: string): number {
    const link = `${from} ${to}`;
    const known = this.#latencies.get(link) ?? within(this.#random, LATENCY);
    this.#latencies.set(link, known);
    return known;
  }

  // --- writes -------------------------------------------------------------------------------------------------------

  #sliceFate(slice: MemorySlice): SliceFate {
    const world = this.#world;
    let fate: SliceFate = { kind: 'deliver', delayMs: within(this.#random, SLICE) };
    for (const { plan, random } of this.#open()) {
      switch (plan.kind) {
        case 'writeSlow':
          fate = { kind: 'deliver', delayMs: within(random, SLOW) };
          break;
        case 'writeFailed':
          fate = { kind: 'fail', code: 'fabric_error' };
          break;
        case 'writeBroken':
          fate = { kind: 'break' };
          break;
        case 'writeLate':
          fate = { kind: 'deliver', delayMs: within(random, LATE) };
          world.at(world.now + within(random, LATE_DEATH), () => this.#killLate(slice.from));
          continue;
        default:
          continue;
      }
      world.struck(plan.kind);
    }
    const { from, to, targetOffset } = slice;
    world.trace.add(() => `${from} ⇒ ${to} +${targetOffset}: ${JSON.stringify(fate)}`);
    return fate;
  }

  #killLate(address: string): void {
    const slot = [...this.#world.slots.values()].find(({ life }) => life?.address === address);
    if (slot !== undefined) this.#crash(slot, LATE_DOWN_MS);
  }

  // --- processes ----------------------------------------------------------------------------------------------------

  #countFor(agent: string): void {
    for (const armed of this.#armed) {
      if (armed.plan.target !== agent) continue;
      armed.messages += 1;
      if (armed.messages <= armed.plan.afterMessages) continue;
      this.#armed.delete(armed);
      this.#world.at(this.#world.now, () => this.#strike(armed.plan));
    }
  }

  #strike({ kind, target, forMs }: StrikePlan): void {
    const slot = this.#world.slot(target);
    if (kind === 'crash') this.#crash(slot, forMs);
    else this.#freeze(slot, forMs);
  }

  #crash(slot: Slot, downMs: number): void {
    const world = this.#world;
    if (!world.kill(slot)) return;
    world.struck('crash');
    world.struck(`${slot.plan.role}Crash`);
    world.at(world.now + downMs, () => {
      if (slot.life === undefined) world.start(slot);
    });
  }

  #resume(life: SimulatedAgent): void {
    this.#world.trace.add(() => `${life.address} continues`);
    this.#world.unreachable(life, this.#world.now);
    life.resume();
  }

  #freeze({ life }: Slot, forMs: number): void {
    const world = this.#world;
    if (life === undefined || life.isStopped) return;
    world.struck('freeze');
    world.trace.add(() => `${life.address} is stopped`);
    life.stop();
    world.unreachable(life, Number.POSITIVE_INFINITY);
    world.at(world.now + forMs, () => {
      if (world.isDead(life.address) || !life.isStopped) return;
      this.#resume(life);
    });
  }
}

function within(random: Random, { from, to }: Range): number {
  return random.between(from, to);
}

const BODY_CHARACTERS_MAX = 160;

function line({ from, to, subject, body, kind }: Envelope, { copies, delayMs }: Fate): string {
  const arrow = kind === 'reply' ? '↩' : '→';
  const fate = copies === 1 ? `${delayMs.toFixed(1)} ms` : `${copies} copies, ${delayMs.toFixed(1)} ms`;
  return `${from} ${arrow} ${to} ${subject} (${fate}) ${body.slice(0, BODY_CHARACTERS_MAX)}`;
}
