/** One thing that can happen next. */
import type { Budget } from './configuration.js';
import type { State } from './state.js';
import type { Turn } from './turn.js';

export interface Step {
  readonly name: string;
  /** Things that go wrong: they may happen, and need not. */
  readonly isFault: boolean;
  run(turn: Turn): void;
}

/** Collects what can happen in a situation. */
export class Steps {
  readonly all: Step[] = [];
  readonly state: State;

  constructor(state: State) {
    this.state = state;
  }

  /** What happens by itself sooner or later. */
  add(name: string, run: (turn: Turn) => void): void {
    this.all.push({ name, isFault: false, run });
  }

  /** What may go wrong with messages, while the budget lasts: it must make no difference to how requests end. */
  fail(kind: 'loss' | 'duplicate', name: string, run: (turn: Turn) => void): void {
    this.#fault(kind, name, run);
  }

  /** What may go wrong with the request of this sender, while the budget lasts: it may end otherwise than ready. */
  strike(
    kind: Exclude<keyof Budget, 'loss' | 'duplicate'>,
    sender: number,
    name: string,
    run: (turn: Turn) => void,
  ): void {
    this.#fault(kind, name, (turn) => {
      turn.state.struck = turn.state.struck.with(sender, true);
      run(turn);
    });
  }

  #fault(kind: keyof Budget, name: string, run: (turn: Turn) => void): void {
    if (this.state.budget[kind] === 0) return;
    const spend = (turn: Turn) => {
      turn.state.budget = { ...turn.state.budget, [kind]: turn.state.budget[kind] - 1 };
      run(turn);
    };
    this.all.push({ name, isFault: true, run: spend });
  }
}
