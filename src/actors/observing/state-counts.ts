/** How many actors of each machine are in each state. Kept up to date by every change, so that reading takes no time. */
import type { MachineName } from '../../protocol/observation.js';

export class StateCounts {
  readonly #counts = new Map<MachineName, Map<string, number>>();

  /** States in which at least one actor of the machine is. */
  of(machine: MachineName): ReadonlyMap<string, number> {
    return this.#counts.get(machine) ?? new Map();
  }

  entered(machine: MachineName, state: string): void {
    this.#add(machine, state, 1);
  }

  left(machine: MachineName, state: string): void {
    this.#add(machine, state, -1);
  }

  #add(machine: MachineName, state: string, change: 1 | -1): void {
    const states = this.#counts.get(machine) ?? new Map<string, number>();
    this.#counts.set(machine, states);
    const count = (states.get(state) ?? 0) + change;
    if (count === 0) states.delete(state);
    else states.set(state, count);
  }
}
