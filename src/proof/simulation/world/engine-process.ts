/** The process of an engine: what it reaches of the world, until it is killed. */
import type { ClockPort } from '../../../ports/clock.js';
import type { ControlPort } from '../../../ports/control.js';
import type { MemoryControl } from '../memory-control.js';
import { MortalClock } from '../mortal-clock.js';
import { engineOf } from './participants.js';
import type { World } from './world.js';

export class EngineProcess {
  readonly #clock: MortalClock;
  readonly #control: MemoryControl;

  constructor(world: World, agent: string) {
    this.#clock = new MortalClock(world.clock);
    this.#control = world.network.connect(engineOf(agent));
  }

  get clock(): ClockPort {
    return this.#clock;
  }

  get control(): ControlPort {
    return this.#control;
  }

  /** Ends the process as SIGKILL does. */
  die(): void {
    this.#clock.die();
    this.#control.die();
  }
}
