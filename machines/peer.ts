/**
 * What an agent knows of another one: whether it lives, and whether bytes can go there. The same machine serves both
 * directions: towards a receiver (which must grant a remote key first) and for a sender (which was granted one).
 * Liveness is decided here, by heartbeats; a fabric error only makes it faster. Effects: `src/actors/peers/receiver-peer.ts` and
 * `src/actors/peers/sender-peer.ts`.
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
  /** We are cut off from NATS, and hear nobody; or not any more. */
  | { type: 'line.down' }
  | { type: 'line.up' }
  /** It has said nothing while we were there; or we were stopped meanwhile, and could not hear it. */
  | { type: 'silence.certain' }
  | { type: 'silence.own' }
  | { type: 'peer.left'; failure: Failure };

/**
 * A peer that was silent for the time of this many heartbeats is held for dead. A little less than three, so that its
 * requests have ended, and everybody knows, before the third is over.
 */
export const SILENT_HEARTBEATS_MAX = 2.75;
/** One that was silent for the time of this many is asked: a heartbeat is late. */
const SUSPECT_HEARTBEATS = 1.25;

/** What the machine asks its owner to do. */
const effects = {
  openConnection: effect(),
  reportConnected: effect(),
  /** Ask it directly: heartbeats may have been lost. */
  probe: effect(),
  /** Find out whether we could have heard it. */
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
    /** Whether it lives is one question, whether bytes can go there another: it may die while we connect. */
    open: {
      type: 'parallel',
      on: { 'peer.left': { target: 'lost', actions: assign({ failure: ({ event }) => event.failure }) } },
      states: {
        connection: {
          initial: 'connecting',
          states: {
            connecting: {
              meta: { waiting: { gate: 'peer', text: 'a connection with {peer}' } },
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
            /** We were cut off from NATS while connecting: again, once it is back. */
            interrupted: {
              meta: { waiting: { gate: 'peer', text: 'NATS to be back' } },
              on: { 'line.up': 'connecting', 'connection.opened': 'connected' },
            },
            connected: {
              entry: 'reportConnected',
              // Its writes broke off, and may still land: a new remote key, for which the receiver revokes the old one.
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
              meta: { waiting: { gate: 'peer', text: 'a sign of life of {peer}: its heartbeat is late' } },
              entry: 'probe',
              after: { lostAfter: 'silent' },
            },
            /** Nothing was heard of it. Were we there to hear it? */
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
            /** It is we who hear nothing: silence says nothing about the peer. */
            unheard: {
              on: {
                'line.up': 'alive',
                // It was on its way before; silence begins only now.
                'peer.heard': {},
              },
            },
          },
        },
      },
    },

    /** This epoch of the peer is over. If it comes back it is another peer. */
    lost: { type: 'final', entry: 'reportLost' },
  },
});
