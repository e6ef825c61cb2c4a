/**
 * Named places in the protocol at which a process can be killed, stopped, slowed down or failed. They sit around the ports,
 * where every step of the protocol passes; nothing that moves bytes knows of them. They are armed when the process starts,
 * for tests, or while it runs, by faults on request.
 */
import type { ClockPort } from '../../ports/clock.js';
import type { Failpoint, FailpointAction } from './failpoint-spec.js';

export interface FailpointHost {
  readonly clock: ClockPort;
  /** Sends the signal to this process. Returns only after a SIGSTOP that was taken back, or in tests. */
  signal(name: 'SIGKILL' | 'SIGSTOP'): void;
}

/** What the caller of `reach` has to do: nothing more, or what the step's failure is. */
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

  /** Until the returned function is called, whatever reaches `name` waits for `wait` before it goes on. */
  hold(name: string, wait: () => Promise<void>): () => void {
    const hold = { name, wait };
    this.#holds.add(hold);
    return () => void this.#holds.delete(hold);
  }

  /** Is anything to happen at this place, ever? */
  isArmed(name: string): boolean {
    const isHere = (armed: { readonly name: string }) => armed.name === name;
    return this.#armed.some(isHere) || [...this.#holds].some(isHere);
  }

  /** The place `name` is reached. Resolves when the step may go on, or shall fail. */
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
