/** Injects the faults of a scenario into messages and writes, and passes the others on to their own modules. */

import { Random } from '../../../figures/random.js';
import type { Envelope, Fate } from '../memory-control.js';
import type { MemorySlice, SliceFate } from '../memory-fabric/slice.js';
import { PAGE_BYTES } from './chunk.js';
import type { Written } from './grants.js';
import { NatsServers } from './nats-servers.js';
import { agentOf, requestOf } from './participants.js';
import { ProcessFaults } from './process-faults.js';
import {
  type FaultPlan,
  type MessageFault,
  messageFaults,
  type SpanPlan,
  type WindowPlan,
  writeFaults,
} from './scenario.js';
import { DRAIN_MS, MENDED_MS, SKEW_MAX } from './timing.js';
import { OBSERVER, type World } from './world.js';

/** Milliseconds. */
const LATENCY = { from: 0.2, to: 1.4 };
const SLICE_MIN_MS = 0.2;
const DELAYED = { from: 50, to: 1500 };
const REORDERED = { from: 1, to: 15 };
const SLOW = { from: 100, to: 1500 };
/** Bytes of a broken write. */
const BROKEN = { from: 20, to: 900 };
const LATE = { from: 1500, to: 5000 };
const REVOKED = { from: 0.1, to: 2 };
const REVOKED_SLOWLY = { from: 20, to: 800 };
/** The sender of a late write dies this long after the write begins. Another life starts after `LATE_DOWN_MS`. */
const LATE_DEATH = { from: 1, to: 40 };
const LATE_DOWN_MS = 400;
/** A sender that waits for a slower slice may give its connection up. */
const UNDRAINED_MS = DRAIN_MS / (1 + SKEW_MAX);
/** Messages that can delay a request when they are struck: operations of agents, and messages between agents. */
const TOUCHING = /^kvferry\.v\d+\.(agent|peer)\./;
/** The part of the broken writes whose bytes still arrive. */
const BROKEN_LANDS = 0.6;

type Range = { readonly from: number; readonly to: number };

interface OpenWindow {
  readonly plan: WindowPlan;
  /** Infinite until the message has come with which the span begins. */
  fromMs: number;
  readonly random: Random;
  /** How often the fault may still strike. */
  left: number;
}

export class FaultInjector {
  readonly #world: World;
  readonly #random: Random;
  readonly #servers: NatsServers;
  readonly #processes: ProcessFaults;
  readonly #latencies = new Map<string, number>();
  readonly #windows: OpenWindow[] = [];
  /** Pairs between which messages are lost. */
  readonly #partitions = new Set<readonly string[]>();
  readonly #messageListeners: ((envelope: Envelope) => void)[] = [];
  readonly #engineListeners: ((agent: string) => void)[] = [];
  /** Notes that an agent is reachable again, whose server stood still. */
  readonly #back = new Map<string, () => void>();
  #revoked: Range = REVOKED;

  constructor(world: World) {
    this.#world = world;
    this.#random = new Random(world.scenario.seed + 1);
    this.#processes = new ProcessFaults(world);
    this.#servers = new NatsServers(
      world.network,
      (participant) => world.serverOf(participant),
      (agent) => this.#back.get(agent)?.(),
    );
    world.network.fate = (envelope) => this.#fateOf(envelope);
    world.fabrics.fate = (slice) => this.#sliceFate(slice);
    world.fabrics.revoking = (address) => this.#revoke(address);
    world.fabrics.landed = (slice, accepted) => {
      if (world.isDead(slice.from)) world.struck('writeLate');
      if (!accepted) world.grants.rejected(writtenBy(slice));
    };
    world.fabrics.ended = ({ to, grantId, targetOffsets }) => {
      world.grants.ended({ address: to, grant: grantId, pages: targetOffsets.map(pageAt) }, world.now);
    };
    for (const plan of world.scenario.faults) this.#prepare(plan);
    world.at(MENDED_MS, () => this.#mend());
  }

  /** Calls `listener` for every message, when it is sent. */
  onMessage(listener: (envelope: Envelope) => void): void {
    this.#messageListeners.push(listener);
  }

  /** Calls `listener` when the engine of an agent is killed. */
  onEngineDeath(listener: (agent: string) => void): void {
    this.#engineListeners.push(listener);
  }

  #prepare(plan: FaultPlan): void {
    const world = this.#world;
    switch (plan.kind) {
      case 'crash':
      case 'freeze':
      case 'paused':
        this.#processes.arm(plan);
        return;
      case 'clockStep':
        world.at(plan.fromMs, () => this.#processes.stepClock(plan.target, plan.byMs));
        return;
      case 'engineDeath':
        world.at(plan.fromMs, () => this.#killEngine(plan.target));
        return;
      case 'clockSkew':
      case 'routerCrash':
        // `World` skews the clocks, and `Router` injects its own crashes.
        return;
      default:
        if ('salt' in plan) this.#addWindow(plan);
        else this.#during(plan);
    }
  }

  #addWindow(plan: WindowPlan): void {
    const fromMs = plan.opensWith === null ? plan.fromMs : Number.POSITIVE_INFINITY;
    this.#windows.push({ plan, random: new Random(plan.salt), left: plan.most, fromMs });
  }

  /** Opens the windows that begin with such a message. */
  #openWith({ subject }: Envelope): void {
    const { now } = this.#world;
    for (const window of this.#windows) {
      const { opensWith, fromMs } = window.plan;
      if (opensWith === null || window.fromMs <= now || now < fromMs) continue;
      if (subject.endsWith(`.${opensWith}`)) window.fromMs = now;
    }
  }

  #during(plan: SpanPlan): void {
    const world = this.#world;
    world.at(plan.fromMs, () => {
      world.trace.add(() => `${plan.kind} begins`);
      world.struck(plan.kind);
      const end = this.#begin(plan);
      world.at(plan.untilMs, () => {
        world.trace.add(() => `${plan.kind} ends`);
        end();
      });
    });
  }

  /** Returns the function that ends the fault. */
  #begin(plan: SpanPlan): () => void {
    const { scenario } = this.#world;
    const names = scenario.agents.map(({ name }) => name);
    switch (plan.kind) {
      case 'cutOff':
        return this.#processes.cutOff([plan.target], plan.kind);
      case 'natsRestart':
        return this.#processes.cutOff(names, plan.kind);
      case 'partition':
        this.#strikePair(plan, plan.between);
        this.#partitions.add(plan.between);
        return () => this.#partitions.delete(plan.between);
      case 'severed':
        this.#strikePair(plan, plan.between);
        return this.#servers.sever(...plan.between);
      case 'routeReset':
        for (const one of scenario.agents) {
          for (const other of scenario.agents) {
            if (one.server < other.server) this.#strikePair(plan, [one.name, other.name]);
          }
        }
        return this.#servers.resetRoute();
      case 'serverFrozen':
        return this.#freezeServer(plan.server, plan.kind);
      case 'revokeSlow':
        this.#revoked = REVOKED_SLOWLY;
        return () => {
          this.#revoked = REVOKED;
        };
      case 'routerCrash':
        return () => undefined;
    }
  }

  /** A sender that connects again waits until its earlier remote key is revoked. */
  #revoke(address: string): Promise<void> {
    const world = this.#world;
    const delayMs = this.#within(this.#revoked);
    if (delayMs > REVOKED.to) {
      const agents = [world.agentAt(address)];
      world.strikes.add('revokeSlow', { agents, fromMs: world.now, untilMs: world.now + delayMs });
    }
    return world.sleep(delayMs);
  }

  #strikePair({ kind, fromMs, untilMs }: SpanPlan, agents: readonly string[]): void {
    this.#world.strikes.add(kind, { agents, fromMs, untilMs });
  }

  #freezeServer(server: number, fault: string): () => void {
    const world = this.#world;
    for (const [agent, { life }] of world.slots) {
      if (life !== undefined && this.#servers.serverOf(agent) === server)
        this.#back.set(agent, world.away(life, fault));
    }
    const thaw = this.#servers.freeze(server);
    return () => {
      for (const back of this.#back.values()) back();
      this.#back.clear();
      thaw();
    };
  }

  #killEngine(agent: string): void {
    const world = this.#world;
    world.struck('engineDeath');
    world.trace.add(() => `the engine of ${agent} is killed`);
    const untilMs = Number.POSITIVE_INFINITY;
    world.strikes.add('engineDeath', { agents: [agent], fromMs: world.now, untilMs, mayEnd: true });
    for (const listener of this.#engineListeners) listener(agent);
  }

  #mend(): void {
    this.#world.trace.add(() => 'everything is mended');
    this.#windows.length = 0;
    this.#processes.mend();
  }

  // --- messages -----------------------------------------------------------------------------------------------------

  #fateOf(envelope: Envelope): Fate {
    const { from, to } = envelope;
    if (from === OBSERVER || to === OBSERVER) return { copies: 1, delayMs: 0 };
    for (const listener of this.#messageListeners) listener(envelope);
    this.#processes.count(from);
    this.#processes.count(to);
    if (envelope.kind === 'message') this.#openWith(envelope);
    const fate = this.#misfortune(envelope);
    this.#world.silences.sent(envelope, this.#world.now);
    this.#world.trace.add(() => line(envelope, fate));
    return fate;
  }

  #misfortune(envelope: Envelope): Fate {
    const { from, to } = envelope;
    let copies = 1;
    let delayMs = this.#latency(from, to);
    const parted = [...this.#partitions].some((pair) => pair.includes(from) && pair.includes(to));
    if (parted) return { copies: 0, delayMs };
    for (const { plan, random } of this.#striking(messageFaults, agentOf(from), envelope.kind === 'reply')) {
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
      this.#world.struck(plan.kind);
      this.#strikeMessage(plan.kind, envelope, delayMs);
    }
    return { copies, delayMs };
  }

  /** A message that names a request touches it; any other one touches the requests of the two agents. */
  #strikeMessage(fault: MessageFault, envelope: Envelope, delayMs: number): void {
    if (!TOUCHING.test(envelope.subject)) return;
    const { now, strikes } = this.#world;
    const request = requestOf(envelope);
    const agents = request === undefined ? [...new Set([agentOf(envelope.from), agentOf(envelope.to)])] : [];
    strikes.add(fault, { agents, request, fromMs: now, untilMs: now + delayMs });
  }

  /** The windows of these kinds that are open now and whose fault strikes `agent` this time. */
  #striking(kinds: readonly WindowPlan['kind'][], agent: string, isAnswer = true): OpenWindow[] {
    const { now } = this.#world;
    return this.#windows.filter((window) => {
      const { kind, fromMs, untilMs, rate, only, answers } = window.plan;
      const isNow = now >= window.fromMs && now - window.fromMs < untilMs - fromMs;
      const isOpen = isNow && window.left > 0 && (only === null || only === agent);
      if (!isOpen || !kinds.includes(kind) || (answers && !isAnswer) || !window.random.chance(rate)) return false;
      window.left -= 1;
      return true;
    });
  }

  /** The latency of a link. It is constant, so messages keep their order unless a fault reorders them. */
  #latency(from: string, to: string): number {
    const link = `${from} ${to}`;
    const known = this.#latencies.get(link) ?? this.#within(LATENCY);
    this.#latencies.set(link, known);
    return known;
  }

  // --- writes -------------------------------------------------------------------------------------------------------

  #sliceFate(slice: MemorySlice): SliceFate {
    const world = this.#world;
    let fate: SliceFate = {
      kind: 'deliver',
      delayMs: this.#within({ from: SLICE_MIN_MS, to: world.scenario.sliceMs }),
    };
    const agent = world.agentAt(slice.from);
    for (const { plan, random } of this.#striking(writeFaults, agent)) {
      switch (plan.kind) {
        case 'writeSlow':
          fate = { kind: 'deliver', delayMs: within(random, SLOW) };
          break;
        case 'writeFailed':
          fate = { kind: 'fail', code: 'fabric_error' };
          break;
        case 'writeBroken':
          fate = random.chance(BROKEN_LANDS)
            ? { kind: 'break', landsAfterMs: within(random, BROKEN) }
            : { kind: 'break' };
          break;
        case 'writeLate':
          fate = { kind: 'deliver', delayMs: within(random, LATE) };
          world.at(world.now + within(random, LATE_DEATH), () => this.#processes.killAddress(slice.from, LATE_DOWN_MS));
          continue;
        default:
          continue;
      }
      world.struck(plan.kind);
    }
    this.#strikeSlice(slice, fate);
    const { from, to, targetOffset } = slice;
    world.trace.add(() => `${from} ⇒ ${to} +${targetOffset}: ${JSON.stringify(fate)}`);
    return fate;
  }

  /** A write that fails, breaks off or does not drain in time costs its connection, and with it the other writes on it. */
  #strikeSlice(slice: MemorySlice, fate: SliceFate): void {
    const { from, to, grantId, targetOffset } = slice;
    const world = this.#world;
    const delayMs = fate.kind === 'deliver' ? fate.delayMs : 0;
    world.waits.writing(to, pageAt(targetOffset), world.now + delayMs);
    if (fate.kind === 'deliver' && delayMs <= world.scenario.sliceMs) return;
    if (fate.kind === 'fail') world.grants.fails(writtenBy(slice));
    else if (fate.kind === 'break') world.grants.breaks(grantId);
    else if (delayMs > UNDRAINED_MS) world.grants.drainsLate(grantId, world.now + delayMs);
    const agents = [world.agentAt(from), world.agentAt(to)];
    world.strikes.add('write', { agents, fromMs: world.now, untilMs: world.now + delayMs });
  }

  #within(range: Range): number {
    return within(this.#random, range);
  }
}

function within(random: Random, { from, to }: Range): number {
  return random.between(from, to);
}

function pageAt(targetOffset: number): number {
  return Math.floor(targetOffset / PAGE_BYTES);
}

function writtenBy({ to, grantId, targetOffset }: MemorySlice): Written {
  return { address: to, grant: grantId, pages: [pageAt(targetOffset)] };
}

const BODY_CHARACTERS_MAX = 160;

function line({ from, to, subject, body, kind }: Envelope, { copies, delayMs }: Fate): string {
  const arrow = kind === 'reply' ? '↩' : '→';
  const fate = copies === 1 ? `${delayMs.toFixed(1)} ms` : `${copies} copies, ${delayMs.toFixed(1)} ms`;
  return `${from} ${arrow} ${to} ${subject} (${fate}) ${body.slice(0, BODY_CHARACTERS_MAX)}`;
}
