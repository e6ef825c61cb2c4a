/** The possible steps of a state, and the state that each step leads to. */
import type { Configuration } from './configuration.js';
import { addMessageSteps } from './message-steps.js';
import { ingestEffect, storeEffect } from './receiver-stand-in.js';
import { addRequestSteps } from './request-steps.js';
import { requestEffect, transferEffect } from './sender-stand-in.js';
import type { State } from './state.js';
import { type Step, Steps } from './step.js';
import type { StoreLog } from './store-log.js';
import { Turn } from './turn.js';
import { addWriteSteps } from './write-steps.js';

const standIns = { requestEffect, transferEffect, ingestEffect, storeEffect };

/** Every possible step of this state. */
export function stepsOf(state: State, configuration: Configuration): readonly Step[] {
  const steps = new Steps(state);
  for (const sender of state.senders.keys()) addRequestSteps(steps, configuration, sender);
  addMessageSteps(steps);
  for (const [index, write] of state.writes.entries()) addWriteSteps(steps, index, write);
  return steps.all;
}

/** The state after `step`. */
export function follow(state: State, configuration: Configuration, log: StoreLog, step: Step): State {
  const turn = new Turn(state, configuration, log, standIns);
  step.run(turn);
  return turn.state;
}
