/** One life of one shipped agent on simulated ports. Its process can be killed, stopped and continued from outside. */
import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { Agent, type AgentPorts } from '../../actors/agent/agent-actor.js';
import type { AgentOptions } from '../../actors/env/agent-options.js';
import type { ClockPort } from '../../ports/clock.js';
import type { FabricPort } from '../../ports/fabric.js';
import { SealingFabric } from '../../sealing/sealing-fabric.js';
import type { MemoryControl, MemoryControlNetwork } from './memory-control.js';
import type { MemoryFabric } from './memory-fabric/fabric.js';
import type { MemoryFabricNetwork } from './memory-fabric/network.js';
import { MortalClock } from './mortal-clock.js';

export interface SimulatedPlace {
  readonly clock: ClockPort;
  readonly network: MemoryControlNetwork;
  readonly fabrics: MemoryFabricNetwork;
}

/** What wraps the ports of an agent. */
export interface Decorations {
  /** The fabric, before its remote keys are sealed. */
  fabric?(fabric: FabricPort): FabricPort;
  /** All ports, for example to record them. */
  ports?(ports: AgentPorts): AgentPorts;
}

const silent = pino({ level: 'silent' });

export class SimulatedAgent {
  readonly agent: Agent;
  readonly control: MemoryControl;
  /** Name of the agent's fabric. */
  readonly address: string;
  readonly #clock: MortalClock;
  readonly #fabric: MemoryFabric;
  readonly #fabrics: MemoryFabricNetwork;
  #isStopped = false;

  /** Makes an agent and does not start it. `clock`: the time that its process sees. */
  constructor(
    { clock, network, fabrics }: SimulatedPlace,
    options: AgentOptions,
    epoch: string,
    decorations: Decorations = {},
  ) {
    this.address = `${options.agent}-${epoch}`;
    this.control = network.connect(options.agent);
    this.#clock = new MortalClock(clock);
    this.#fabric = fabrics.open(this.address);
    this.#fabrics = fabrics;
    const ports: AgentPorts = {
      control: this.control,
      fabric: new SealingFabric(decorations.fabric?.(this.#fabric) ?? this.#fabric, secretsOf(this.address)),
      clock: this.#clock,
      logger: silent,
      newEpoch: () => epoch,
      version: 'simulated',
    };
    this.agent = new Agent(options, decorations.ports?.(ports) ?? ports);
  }

  get epoch(): string {
    return this.agent.epoch;
  }

  /** Grows with everything that happens in the process. */
  get activity(): number {
    return this.#clock.fired + this.control.reads + this.#fabric.events;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends the process as SIGKILL does: it sends nothing more. Its posted writes can still land. */
  kill(): void {
    this.#clock.die();
    this.control.die();
    this.#fabrics.kill(this.address);
  }

  /** Stops the process as SIGSTOP does. */
  stop(): void {
    this.#isStopped = true;
    for (const port of [this.#clock, this.control, this.#fabric]) port.stop();
  }

  /** Stops the process as a pause of its machine does: its clock stands still too. */
  pause(): void {
    this.stop();
    this.#clock.pause();
  }

  /** Moves its clock forward at once. */
  stepClock(ms: number): void {
    this.#clock.step(ms);
  }

  /** Continues the process: first its timers run, then it reads arrivals from the network. */
  resume(): void {
    this.#isStopped = false;
    for (const port of [this.#clock, this.control, this.#fabric]) port.resume();
  }
}

/** The secrets of the fabric of that name: the same ones in each run. The first one is that of its own key pair. */
export function secretsOf(name: string): () => Uint8Array {
  let made = 0;
  return () => {
    made += 1;
    return createHash('sha256').update(`${name} ${made}`).digest();
  };
}
