/** The life of one agent process. `src/actors/agent/agent-actor.ts` provides its effects. */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import { effect } from './effect.js';

export interface AgentInput {
  /** How long requests in progress may continue after the order to stop. */
  readonly drainTimeoutMs: number;
  /** How long closing may take. */
  readonly closeTimeoutMs: number;
}

/** The agent has lost trust in its own state. */
const fencing = {
  target: 'fencing',
  actions: { type: 'remember', params: ({ event }: { event: { failure: Failure } }) => ({ failure: event.failure }) },
} as const;

/** What the machine asks its owner to do. */
const effects = {
  beginHeartbeats: effect(),
  /** Sends `agent.idle` as soon as no request is in progress. */
  watchForIdle: effect(),
  cancelRequests: effect(),
  /** Revokes every remote key, ends every request, and refuses every message that touches a page. */
  fence: effect(),
  close: effect(),
  /** A part does not close in time. The process ends without it. */
  reportStuck: effect(),
  reportUnexpected: effect(),
};

export type AgentEffects = typeof effects;

export const agentMachine = setup({
  types: {
    input: {} as AgentInput,
    context: {} as AgentInput & {
      /** Why the agent has fenced itself, if it has. */
      readonly fenced: Failure | null;
    },
    output: {} as { readonly fenced: Failure | null },
    events: {} as
      | { type: 'agent.started' }
      | { type: 'agent.drain' }
      | { type: 'agent.fence'; failure: Failure }
      | { type: 'agent.fenced' }
      | { type: 'agent.idle' }
      | { type: 'agent.closed' },
  },
  actions: {
    ...effects,
    remember: assign({ fenced: (_, params: { failure: Failure }) => params.failure }),
  },
  delays: {
    drainTimeout: ({ context }) => context.drainTimeoutMs,
    closeTimeout: ({ context }) => context.closeTimeoutMs,
  },
}).createMachine({
  id: 'agent',
  context: ({ input }) => ({ ...input, fenced: null }),
  output: ({ context }) => ({ fenced: context.fenced }),
  initial: 'starting',
  on: { 'agent.*': { actions: 'reportUnexpected' } },
  states: {
    starting: { on: { 'agent.started': 'running', 'agent.drain': 'closing', 'agent.fence': fencing } },
    running: { entry: 'beginHeartbeats', on: { 'agent.drain': 'draining', 'agent.fence': fencing } },
    /** The agent takes no new requests. Requests in progress may end. */
    draining: {
      entry: 'watchForIdle',
      on: { 'agent.idle': 'closing', 'agent.drain': {}, 'agent.fence': fencing },
      after: { drainTimeout: { target: 'closing', actions: 'cancelRequests' } },
    },
    /** An invariant is broken, or too many actors fail. The agent gives no answer rather than a wrong one. */
    fencing: {
      entry: 'fence',
      on: { 'agent.fenced': 'closing', 'agent.fence': {}, 'agent.drain': {}, 'agent.idle': {} },
      after: { closeTimeout: 'closing' },
    },
    closing: {
      entry: 'close',
      on: { 'agent.closed': 'stopped', 'agent.fence': {}, 'agent.fenced': {}, 'agent.drain': {}, 'agent.idle': {} },
      after: { closeTimeout: { target: 'stopped', actions: 'reportStuck' } },
    },
    stopped: { type: 'final' },
  },
});
