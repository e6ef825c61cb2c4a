/**
 * Failpoints: named steps of the protocol at which a process can be killed, stopped or slowed down, or the step can
 * fail. Decorators of the ports call them, so the code that moves bytes does not depend on them. Tests arm failpoints
 * when the process starts; faults on request hold them while it runs.
 */
import type { ClockPort } from '../../ports/clock.js';
import type { Failpoint, FailpointAction } from './failpoint-spec.js';

export interface FailpointHost {
  readonly clock: ClockPort;
  /** Sends the signal to this process. Returns after a SIGSTOP that a SIGCONT followed, or in tests. */
  signal(name: 'SIGKILL' | 'SIGSTOP'): void;
}

/** What the caller of `reach` must do: continue with the step, or fail it. */
export type Reached = 'pass' | 'fail';

export class Failpoints {
  readonly #armed: readonly Failpoint[];
  readonly #host: FailpointHost;
  readonly #reached = new Map<string, number>();
  readonly #holds = new Set<{ readonly name: string; readonly wait: () => Promise<void> }>();

  constructor(armed: readonly Failpoint[], host: FailpointHost) {
    this.#armed = armed;
    this.#host = host;
  }

  /** Makes each step that reaches `name` wait for `wait`. The returned function ends the hold. */
  hold(name: string, wait: () => Promise<void>): () => void {
    const hold = { name, wait };
    this.#holds.add(hold);
    return () => void this.#holds.delete(hold);
  }

  /** Whether a failpoint or a hold exists for this step. */
  isArmed(name: string): boolean {
    const isHere = (armed: { readonly name: string }) => armed.name === name;
    return this.#armed.some(isHere) || [...this.#holds].some(isHere);
  }

  /** Call before the step `name`. Resolves when the step may continue or must fail. */
  async reach(name: string): Promise<Reached> {
    for (const hold of [...this.#holds]) if (hold.name === name) await hold.wait();
    const action = this.#due(name);
    switch (action?.type) {
      case 'kill':
        this.#host.signal('SIGKILL');
        return 'pass';
      case 'stop':
        this.#host.signal('SIGSTOP');
        return 'pass';
      case 'fail':
        return 'fail';
      case 'delay':
        await new Promise<void>((resolve) => this.#host.clock.setTimeout(resolve, action.delayMs));
        return 'pass';
      case undefined:
        return 'pass';
    }
  }

  #due(name: string): FailpointAction | undefined {
    if (!this.isArmed(name)) return undefined;
    const count = (this.#reached.get(name) ?? 0) + 1;
    this.#reached.set(name, count);
    return this.#armed.find((failpoint) => failpoint.name === name && failpoint.occurrence === count)?.action;
  }
}
