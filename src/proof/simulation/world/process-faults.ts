/** Injects the faults of processes and machines: crashes, stops, pauses, clocks that step, and lost connections to NATS. */
import type { SimulatedAgent } from '../simulated-agent.js';
import type { StrikePlan } from './scenario.js';
import { HEARTBEAT_MS } from './timing.js';
import type { Slot, World } from './world.js';

/** After a restart, its peers learn of the new epoch within this time. */
const LEARNED_MS = 3 * HEARTBEAT_MS;

/** A strike that counts the messages until it happens. */
interface Armed {
  readonly plan: StrikePlan;
  messages: number;
}

export class ProcessFaults {
  readonly #world: World;
  readonly #armed = new Set<Armed>();
  /** The number of faults that cut off each life now. */
  readonly #cuts = new Map<SimulatedAgent, number>();
  /** Ends the stop or the pause of a life. */
  readonly #continue = new Map<SimulatedAgent, () => void>();

  constructor(world: World) {
    this.#world = world;
  }

  arm(plan: StrikePlan): void {
    this.#world.at(plan.fromMs, () => this.#armed.add({ plan, messages: 0 }));
  }

  /** Call this for every message of `agent`: strikes wait for a number of messages. */
  count(agent: string): void {
    for (const armed of this.#armed) {
      if (armed.plan.target !== agent) continue;
      armed.messages += 1;
      if (armed.messages <= armed.plan.afterMessages) continue;
      this.#armed.delete(armed);
      this.#world.at(this.#world.now, () => this.#strike(armed.plan));
    }
  }

  /** Starts every dead agent, continues every stopped one, and forgets the strikes that have not happened. */
  mend(): void {
    this.#armed.clear();
    for (const slot of this.#world.slots.values()) {
      if (slot.life === undefined) this.#start(slot);
      else this.#continue.get(slot.life)?.();
    }
  }

  crash(slot: Slot, downMs: number): void {
    const world = this.#world;
    if (!world.kill(slot)) return;
    world.struck('crash');
    world.struck(`${slot.plan.role}Crash`);
    const agents = [slot.plan.name];
    slot.down = world.strikes.add('crash', {
      agents,
      fromMs: world.now,
      untilMs: Number.POSITIVE_INFINITY,
      mayEnd: true,
    });
    world.at(world.now + downMs, () => {
      if (slot.life === undefined) this.#start(slot);
    });
  }

  killAddress(address: string, downMs: number): void {
    const slot = [...this.#world.slots.values()].find(({ life }) => life?.address === address);
    if (slot !== undefined) this.crash(slot, downMs);
  }

  /** Disconnects agents from NATS. Returns the function that connects them again. */
  cutOff(agents: readonly string[], fault: string): () => void {
    const world = this.#world;
    const lives = agents.flatMap((agent) => world.slot(agent).life ?? []);
    const back = lives.map((life) => {
      this.#cuts.set(life, (this.#cuts.get(life) ?? 0) + 1);
      life.control.setConnected(false);
      return world.away(life, fault);
    });
    return () => {
      for (const [index, life] of lives.entries()) {
        const cuts = (this.#cuts.get(life) ?? 1) - 1;
        this.#cuts.set(life, cuts);
        back[index]?.();
        if (cuts === 0) life.control.setConnected(true);
      }
    };
  }

  stepClock(agent: string, byMs: number): void {
    const world = this.#world;
    const slot = world.slot(agent);
    const { life } = slot;
    if (life === undefined || life.isStopped) return;
    slot.steppedMs = world.now;
    world.struck('clockStep');
    world.trace.add(() => `the clock of ${life.address} steps by ${byMs} ms`);
    world.strikes.add('clockStep', { agents: [agent], fromMs: world.now, untilMs: world.now });
    life.stepClock(byMs);
  }

  #start(slot: Slot): void {
    if (slot.down !== undefined) slot.down.untilMs = this.#world.now + LEARNED_MS;
    this.#world.start(slot);
  }

  #strike({ kind, target, forMs }: StrikePlan): void {
    const slot = this.#world.slot(target);
    if (kind === 'crash') this.crash(slot, forMs);
    else this.#stop(slot, kind, forMs);
  }

  #stop({ life }: Slot, fault: 'freeze' | 'paused', forMs: number): void {
    const world = this.#world;
    if (life === undefined || life.isStopped) return;
    world.struck(fault);
    world.trace.add(() => `${life.address} is stopped (${fault})`);
    if (fault === 'paused') life.pause();
    else life.stop();
    const back = world.away(life, fault);
    const goOn = () => {
      if (!this.#continue.delete(life) || world.isDead(life.address)) return;
      world.trace.add(() => `${life.address} continues`);
      back();
      life.resume();
    };
    this.#continue.set(life, goOn);
    world.at(world.now + forMs, goOn);
  }
}
