/**
 * What an agent knows about one epoch of another agent: whether it is alive, and whether it is connected. One machine serves
 * both directions: towards a receiver, which must grant a remote key first, and for a sender, which asks for one. Heartbeats
 * decide liveness. A fabric error only leads to an earlier verdict. `src/actors/peers/peer-liveness.ts` provides its effects.
 */
import { assign, setup, stateIn } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface PeerInput {
  readonly agent: string;
  readonly epoch: string;
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
}

export interface PeerContext extends PeerInput {
  readonly failure: Failure | null;
}

export type PeerEvent =
  | { type: 'connection.opened' }
  | { type: 'connection.failed'; failure: Failure }
  | { type: 'connection.broken' }
  | { type: 'peer.heard' }
  /** This agent has lost its connection to NATS, and so hears no peer; or the connection is back. */
  | { type: 'line.down' }
  | { type: 'line.up' }
  /** The peer was silent while this agent could hear it; or this agent was absent and could not. */
  | { type: 'silence.certain' }
  | { type: 'silence.own' }
  | { type: 'peer.left'; failure: Failure };

/**
 * A peer that was silent for this many heartbeat intervals is declared dead. The value is a little below three, so that its
 * requests have ended and are announced before the third interval is over.
 */
export const SILENT_HEARTBEATS_MAX = 2.75;
/** A peer that was silent for this many intervals is asked directly. */
const SUSPECT_HEARTBEATS = 1.25;

/** What the machine asks its owner to do. */
const effects = {
  openConnection: effect(),
  reportConnected: effect(),
  /** Asks the peer directly, because its heartbeats may have been lost. */
  probe: effect(),
  /** Finds out whether this agent could have heard the peer. Sends `silence.certain` or `silence.own`. */
  judgeSilence: effect(),
  reportLost: effect(),
  reportUnexpected: effect(),
};

export type PeerEffects = typeof effects;

export const peerMachine = setup({
  types: {
    input: {} as PeerInput,
    context: {} as PeerContext,
    events: {} as PeerEvent,
    meta: {} as StateMeta<PeerContext>,
  },
  actions: {
    ...effects,
  },
  guards: {
    isCutOff: stateIn({ open: { liveness: 'unheard' } }),
  },
  delays: {
    connectTimeout: ({ context }) => context.connectTimeoutMs,
    suspectAfter: ({ context }) => context.heartbeatMs * SUSPECT_HEARTBEATS,
    lostAfter: ({ context }) => context.heartbeatMs * (SILENT_HEARTBEATS_MAX - SUSPECT_HEARTBEATS),
  },
}).createMachine({
  id: 'peer',
  context: ({ input }) => ({ ...input, failure: null }),
  initial: 'open',
  on: { 'peer.*': { actions: 'reportUnexpected' } },
  states: {
    /** Liveness and connection are two questions: a peer may die while it is being connected to. */
    open: {
      type: 'parallel',
      on: { 'peer.left': { target: 'lost', actions: assign({ failure: ({ event }) => event.failure }) } },
      states: {
        connection: {
          initial: 'connecting',
          states: {
            connecting: {
              meta: { waiting: { gate: 'peer', text: 'a connection to {peer}' } },
              entry: 'openConnection',
              on: {
                'connection.opened': 'connected',
                'connection.failed': {
                  target: '#peer.lost',
                  actions: assign({ failure: ({ event }) => event.failure }),
                },
                'line.down': 'interrupted',
              },
              after: {
                connectTimeout: {
                  target: '#peer.lost',
                  actions: assign({
                    failure: ({ context }) => ({
                      code: 'connection_failed',
                      message: `agent ${context.agent} did not connect within ${context.connectTimeoutMs} ms`,
                    }),
                  }),
                },
              },
            },
            /** This agent lost NATS while it was connecting. It connects again when NATS is back. */
            interrupted: {
              meta: { waiting: { gate: 'peer', text: 'its connection to NATS to return' } },
              on: { 'line.up': 'connecting', 'connection.opened': 'connected' },
            },
            connected: {
              entry: 'reportConnected',
              // Writes broke off and may still land. A new connection makes the receiver revoke the old remote key.
              on: { 'connection.broken': [{ guard: 'isCutOff', target: 'interrupted' }, { target: 'connecting' }] },
            },
          },
        },

        liveness: {
          initial: 'alive',
          on: { 'peer.heard': '.alive', 'line.down': '.unheard' },
          states: {
            alive: { after: { suspectAfter: 'suspect' } },
            suspect: {
              meta: { waiting: { gate: 'peer', text: 'a heartbeat of {peer}, which is late' } },
              entry: 'probe',
              after: { lostAfter: 'silent' },
            },
            /** The peer was silent for too long, unless this agent was absent. */
            silent: {
              entry: 'judgeSilence',
              on: {
                'silence.own': 'suspect',
                'silence.certain': {
                  target: '#peer.lost',
                  actions: assign({
                    failure: ({ context }) => ({
                      code: 'no_responders',
                      message: `agent ${context.agent} was silent for ${SILENT_HEARTBEATS_MAX * context.heartbeatMs} ms`,
                    }),
                  }),
                },
              },
            },
            /** This agent has lost NATS, so silence proves nothing about the peer. */
            unheard: {
              on: {
                'line.up': 'alive',
                // The message was on its way before the line went down. The silence begins only now.
                'peer.heard': {},
              },
            },
          },
        },
      },
    },

    /** This epoch of the peer is over. An agent that comes back is another peer. */
    lost: { type: 'final', entry: 'reportLost' },
  },
});
