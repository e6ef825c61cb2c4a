/** The life of one agent process. Effects are provided by `src/actors/agent-actor.ts`. */
import { setup } from 'xstate';
import { effect } from './effect.js';

export interface AgentInput {
  /** How long requests in progress may go on after the order to stop. */
  readonly drainTimeoutMs: number;
  /** How long closing may take. */
  readonly closeTimeoutMs: number;
}

export const agentMachine = setup({
  types: {
    input: {} as AgentInput,
    context: {} as AgentInput,
    events: {} as
      | { type: 'agent.started' }
      | { type: 'agent.drain' }
      | { type: 'agent.idle' }
      | { type: 'agent.closed' },
  },
  actions: {
    beginHeartbeats: effect('beginHeartbeats'),
    /** Send `agent.idle` as soon as no request is in progress. */
    watchForIdle: effect('watchForIdle'),
    cancelRequests: effect('cancelRequests'),
    close: effect('close'),
    /** Something does not close; the process shall end all the same. */
    reportStuck: effect('reportStuck'),
    reportUnexpected: effect('reportUnexpected'),
  },
  delays: {
    drainTimeout: ({ context }) => context.drainTimeoutMs,
    closeTimeout: ({ context }) => context.closeTimeoutMs,
  },
}).createMachine({
  id: 'agent',
  context: ({ input }) => input,
  initial: 'starting',
  on: { 'agent.*': { actions: 'reportUnexpected' } },
  states: {
    starting: { on: { 'agent.started': 'running', 'agent.drain': 'closing' } },
    running: { entry: 'beginHeartbeats', on: { 'agent.drain': 'draining' } },
    /** No new requests; those in progress may end. */
    draining: {
      entry: 'watchForIdle',
      on: { 'agent.idle': 'closing', 'agent.drain': {} },
      after: { drainTimeout: { target: 'closing', actions: 'cancelRequests' } },
    },
    closing: {
      entry: 'close',
      on: { 'agent.closed': 'stopped', 'agent.drain': {}, 'agent.idle': {} },
      after: { closeTimeout: { target: 'stopped', actions: 'reportStuck' } },
    },
    stopped: { type: 'final' },
  },
});
