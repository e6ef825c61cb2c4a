/** What the explorer needs to know of a world: its first state, the steps from each state, and what must hold in it. */
import type { FaultKind } from './faults.js';

/** A step that is possible in a state. */
export interface Step {
  readonly name: string;
  /** A fault may happen. Any other step happens sooner or later. */
  readonly isFault: boolean;
}

export interface World<State, S extends Step> {
  readonly first: State;
  steps(state: State): readonly S[];
  /** The state after a step. */
  follow(state: State, step: S): State;
  /** Equal for states with the same possible futures. */
  digest(state: State): string;
  /** The first violation in this state, or undefined. */
  faultOf(state: State): string | undefined;
  /** The first violation in this final state, in which no step but a fault is possible, or undefined. */
  faultAtRest(state: State): string | undefined;
  /** The kinds of faults that have happened. States with the same faults may share one list. */
  struck(state: State): readonly FaultKind[];
}
