/** One life of one shipped agent on simulated ports: what can be done to its process from outside. */
import { pino } from 'pino';
import { Agent, type AgentPorts } from '../../actors/agent/agent-actor.js';
import type { AgentOptions } from '../../actors/env/agent-options.js';
import type { ClockPort } from '../../ports/clock.js';
import type { MemoryControl, MemoryControlNetwork } from './memory-control.js';
import type { MemoryFabric, MemoryFabricNetwork } from './memory-fabric.js';
import { MortalClock } from './mortal-clock.js';

export interface SimulatedPlace {
  readonly clock: ClockPort;
  readonly network: MemoryControlNetwork;
  readonly fabrics: MemoryFabricNetwork;
}

const silent = pino({ level: 'silent' });

export class SimulatedAgent {
  readonly agent: Agent;
  readonly control: MemoryControl;
  /** Name of its fabric. */
  readonly address: string;
  readonly #clock: MortalClock;
  readonly #fabric: MemoryFabric;
  readonly #fabrics: MemoryFabricNetwork;
  #isStopped = false;

  /**
   * It is not started yet. `clock`: the time that its process sees. `decorate`: what is to be put around its ports, to record
   * it say.
   */
  constructor(
    { clock, network, fabrics }: SimulatedPlace,
    options: AgentOptions,
    epoch: string,
    decorate: (ports: AgentPorts) => AgentPorts = (ports) => ports,
  ) {
    this.address = `${options.agent}-${epoch}`;
    this.control = network.connect(options.agent);
    this.#clock = new MortalClock(clock);
    this.#fabric = fabrics.open(this.address);
    this.#fabrics = fabrics;
    const ports: AgentPorts = {
      control: this.control,
      fabric: this.#fabric,
      clock: this.#clock,
      logger: silent,
      newEpoch: () => epoch,
      version: 'simulated',
    };
    this.agent = new Agent(options, decorate(ports));
  }

  get epoch(): string {
    return this.agent.epoch;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** As SIGKILL does: nobody hears from it, and it does nothing more. What it posted may still land. */
  kill(): void {
    this.#clock.die();
    this.control.die();
    this.#fabrics.kill(this.address);
  }

  /** As SIGSTOP does. */
  stop(): void {
    this.#isStopped = true;
    for (const port of [this.#clock, this.control, this.#fabric]) port.stop();
  }

  /** As SIGCONT does: the timers first, then what has come over the network. */
  resume(): void {
    this.#isStopped = false;
    for (const port of [this.#clock, this.control, this.#fabric]) port.resume();
  }
}
