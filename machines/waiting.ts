/**
 * What a state waits for. A machine names it in the `meta` of its states, and `inspect` and `explain` show it. A state without
 * it waits for nothing.
 */
import type { Gate } from '../src/protocol/observation.js';

export interface Waiting {
  readonly gate: Gate;
  /** For people: it completes the sentence “It waits for …”. `{peer}` stands for the name of the other agent. */
  readonly text: string;
}

export interface StateMeta<Context> {
  readonly waiting: Waiting | ((context: Context) => Waiting);
}
