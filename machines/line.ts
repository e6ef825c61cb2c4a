/**
 * The line between this agent and NATS. It is up while the agent's own heartbeats come back. A connection that is open
 * proves nothing: a NATS server that stands still keeps its connections open. `src/actors/living/line.ts` provides the
 * effects.
 */
import { setup } from 'xstate';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface LineContext {
  readonly heartbeatMs: number;
}

export type LineEvent =
  /** A heartbeat of this agent has come back. */
  | { type: 'self.heard' }
  /** The NATS client has lost its connection; or has another one. */
  | { type: 'nats.away' }
  | { type: 'nats.back' };

/** An agent whose heartbeats have not come back for this many intervals is cut off. */
const CUT_OFF_HEARTBEATS = 1.25;
/** An agent that has been cut off for this many further intervals gives its connection up for another one. */
const RECONNECT_HEARTBEATS = 0.5;
/** How often it does so while that does not help, in intervals. */
const RECONNECT_AGAIN_HEARTBEATS = 5;

/** What the machine asks its owner to do. */
const effects = {
  /** Sends a heartbeat. */
  listen: effect(),
  reportDown: effect(),
  reportUp: effect(),
  /** Gives up the connection to NATS, and opens another one. */
  reconnect: effect(),
  reportUnexpected: effect(),
};

export type LineEffects = typeof effects;

const waiting = { waiting: { gate: 'peer', text: 'its own heartbeat to come back from NATS' } } as const;

export const lineMachine = setup({
  types: {
    input: {} as LineContext,
    context: {} as LineContext,
    events: {} as LineEvent,
    meta: {} as StateMeta<LineContext>,
  },
  actions: effects,
  delays: {
    overdueAfter: ({ context }) => context.heartbeatMs * CUT_OFF_HEARTBEATS,
    reconnectAfter: ({ context }) => context.heartbeatMs * RECONNECT_HEARTBEATS,
    reconnectAgainAfter: ({ context }) => context.heartbeatMs * RECONNECT_AGAIN_HEARTBEATS,
    thisTurn: 0,
  },
}).createMachine({
  id: 'line',
  context: ({ input }) => input,
  initial: 'up',
  on: { 'nats.away': '.down.away', 'self.heard': '.up', 'line.*': { actions: 'reportUnexpected' } },
  states: {
    up: { after: { overdueAfter: 'overdue' } },
    /** The timer was perhaps late, and the heartbeat waits to be read: it is read before the next turn. */
    overdue: { after: { thisTurn: 'down' } },
    down: {
      entry: 'reportDown',
      exit: 'reportUp',
      initial: 'unheard',
      on: { 'nats.away': '.away' },
      states: {
        /** The connection is open, but the heartbeats do not come back. */
        unheard: { meta: waiting, after: { reconnectAfter: 'reconnecting' } },
        reconnecting: {
          meta: waiting,
          entry: 'reconnect',
          on: { 'nats.back': 'returning' },
          after: { reconnectAgainAfter: { target: 'reconnecting', reenter: true } },
        },
        /** A heartbeat that is heard proves nothing: NATS may refuse the other subscriptions of this agent. */
        away: {
          meta: { waiting: { gate: 'peer', text: 'NATS' } },
          on: { 'nats.back': 'returning', 'self.heard': {} },
        },
        /** There is a new connection. Its first heartbeat must come back. */
        returning: { meta: waiting, entry: 'listen', after: { overdueAfter: 'reconnecting' } },
      },
    },
  },
});
