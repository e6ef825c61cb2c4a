/**
 * The connection of a sender to one epoch of a receiver: it opens, breaks, and opens again. Only providers can fail it.
 * Whether the receiver lives is another question (`peer.ts`). `src/actors/peers/receiver-peer.ts` provides the effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface ConnectionInput {
  readonly agent: string;
}

export interface ConnectionContext extends ConnectionInput {
  readonly failure: Failure | null;
}

export type ConnectionEvent =
  | { type: 'connection.opened' }
  /** No provider connects. */
  | { type: 'connection.failed'; failure: Failure }
  | { type: 'connection.broken' }
  /** This agent is cut off from NATS; or no longer. */
  | { type: 'line.down' }
  | { type: 'line.up' };

/** What the machine asks its owner to do. */
const effects = {
  /** Ends with `connection.opened` or `connection.failed`, and meanwhile waits for a receiver that cannot be reached. */
  open: effect(),
  reportConnected: effect(),
  reportFailed: effect(),
  reportUnexpected: effect(),
};

export type ConnectionEffects = typeof effects;

export const connectionMachine = setup({
  types: {
    input: {} as ConnectionInput,
    context: {} as ConnectionContext,
    events: {} as ConnectionEvent,
    meta: {} as StateMeta<ConnectionContext>,
  },
  actions: effects,
}).createMachine({
  id: 'connection',
  context: ({ input }) => ({ ...input, failure: null }),
  initial: 'connecting',
  on: { 'connection.*': { actions: 'reportUnexpected' } },
  states: {
    connecting: {
      meta: { waiting: { gate: 'peer', text: 'a connection to {peer}' } },
      entry: 'open',
      on: {
        'connection.opened': 'connected',
        'connection.failed': { target: 'failed', actions: assign({ failure: ({ event }) => event.failure }) },
        // The attempt is under way already.
        'connection.broken': {},
        'line.down': 'interrupted',
      },
    },
    /** This agent was cut off from NATS while it was connecting. It connects again when NATS is back. */
    interrupted: {
      meta: { waiting: { gate: 'peer', text: 'its connection to NATS to return' } },
      on: {
        'line.up': 'connecting',
        'connection.opened': 'connected',
        'connection.broken': {},
        'connection.failed': {},
      },
    },
    connected: {
      initial: 'online',
      entry: 'reportConnected',
      states: {
        // Writes broke off and may still land. A new connection makes the receiver revoke the old remote key.
        online: { on: { 'connection.broken': '#connection.connecting', 'line.down': 'offline' } },
        /** Writes go on without NATS. */
        offline: { on: { 'connection.broken': '#connection.interrupted', 'line.up': 'online' } },
      },
    },
    failed: { type: 'final', entry: 'reportFailed' },
  },
});
