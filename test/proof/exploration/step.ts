/** The steps that are possible in a state. */
import type { FaultKind } from './faults.js';
import type { State } from './state.js';
import type { Turn } from './turn.js';
import type { Step } from './world.js';

export interface TurnStep extends Step {
  run(turn: Turn): void;
}

type FaultOfMessage = 'loss' | 'duplicate' | 'deaf';

/** Collects the steps that are possible in a state. */
export class Steps {
  readonly all: TurnStep[] = [];
  readonly state: State;

  constructor(state: State) {
    this.state = state;
  }

  /** Adds a step that happens sooner or later. */
  add(name: string, run: (turn: Turn) => void): void {
    this.all.push({ name, isFault: false, run });
  }

  /** Adds a fault of a message, if the budget allows one. It must not change how requests end. */
  fail(kind: FaultOfMessage, name: string, run: (turn: Turn) => void): void {
    this.#fault(kind, name, run);
  }

  /** Adds a fault of a sender or its request, if the budget allows one. After it the request may end otherwise than ready. */
  strike(kind: Exclude<FaultKind, FaultOfMessage>, sender: number, name: string, run: (turn: Turn) => void): void {
    this.#fault(kind, name, (turn) => {
      turn.state.struck = turn.state.struck.with(sender, true);
      run(turn);
    });
  }

  /** Adds a fault of the receiver, if the budget allows one. After it every request may end otherwise than ready. */
  strikeAll(kind: 'death', name: string, run: (turn: Turn) => void): void {
    this.#fault(kind, name, (turn) => {
      turn.state.struck = turn.state.struck.map(() => true);
      run(turn);
    });
  }

  #fault(kind: FaultKind, name: string, run: (turn: Turn) => void): void {
    if (this.state.budget[kind] === 0) return;
    const spend = (turn: Turn) => {
      turn.state.budget = { ...turn.state.budget, [kind]: turn.state.budget[kind] - 1 };
      run(turn);
    };
    this.all.push({ name, isFault: true, run: spend });
  }
}
