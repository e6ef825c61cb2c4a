/**
 * What a state waits for: named in each machine, in the `meta` of its states, and shown by `inspect` and `explain`. A state
 * without it waits for nothing.
 */
import type { Gate } from '../src/protocol/observation.js';

export interface Waiting {
  readonly gate: Gate;
  /** For people. `{peer}` stands for the name of the other agent. */
  readonly text: string;
}

export interface StateMeta<Context> {
  readonly waiting: Waiting | ((context: Context) => Waiting);
}
