/** The world of two senders with one request each, and a receiver. */
import type { StoreOptions } from '../../../src/store/options.js';
import type { Store } from '../../../src/store/store.js';
import type { Configuration } from './configuration.js';
import { Digests } from './digests.js';
import { type Budget, type FaultKind, struckKinds } from './faults.js';
import { initialState } from './initial-state.js';
import { Interned } from './interned.js';
import { faultAtRest, faultOf } from './invariants.js';
import { addMessageSteps, withoutInert } from './message-steps.js';
import { die, ingestEffect, storeEffect } from './receiver-stand-in.js';
import { addRequestSteps } from './request-steps.js';
import { requestEffect, transferEffect } from './sender-stand-in.js';
import type { State } from './state.js';
import { Steps, type TurnStep } from './step.js';
import { STORE_OPTIONS, StoreLog } from './store-log.js';
import { type Stage, Turn } from './turn.js';
import type { World } from './world.js';
import { addWriteSteps } from './write-steps.js';

const standIns = { requestEffect, transferEffect, ingestEffect, storeEffect };

export interface Variant {
  /** Creates a store with a planted defect instead of the shipped one. */
  readonly createStore?: (options: StoreOptions) => Store;
  /** Plants a defect: the store learns that a remote key is revoked before the fabric has revoked it. */
  readonly fencesFirst?: boolean;
  /** Plants a defect: a sender forgets what it has taken over when its transfer ends. */
  readonly forgetsParts?: boolean;
}

export function requestWorld(configuration: Configuration, variant: Variant = {}): World<State, TurnStep> {
  const log = new StoreLog({ ...STORE_OPTIONS, pages: configuration.pages }, variant.createStore);
  const { fencesFirst = false, forgetsParts = false } = variant;
  const stage: Stage = {
    configuration,
    log,
    standIns,
    messages: new Interned(),
    calls: new Interned(),
    fencesFirst,
    forgetsParts,
  };
  const digests = new Digests(configuration);
  const kindsOf = new WeakMap<Budget, readonly FaultKind[]>();
  return {
    first: initialState(configuration, log),
    steps: (state) => stepsOf(state, stage),
    follow: (state, step) => {
      const turn = new Turn(state, stage);
      step.run(turn);
      return withoutInert(turn.end());
    },
    digest: (state) => digests.of(state),
    faultOf: (state) => faultOf(state, configuration),
    faultAtRest,
    struck: ({ budget }) => {
      const kinds = kindsOf.get(budget) ?? struckKinds(configuration.budget, budget);
      kindsOf.set(budget, kinds);
      return kinds;
    },
  };
}

/** Every possible step of this state. */
function stepsOf(state: State, { configuration, fencesFirst, log }: Stage): readonly TurnStep[] {
  const steps = new Steps(state);
  if (!state.receiverDied) steps.strikeAll('death', 'the receiver is killed', (turn) => die(turn, log.empty()));
  for (const sender of state.senders.keys()) addRequestSteps(steps, configuration, fencesFirst, sender);
  addMessageSteps(steps);
  for (const [index, write] of state.writes.entries()) addWriteSteps(steps, index, write);
  return steps.all;
}
