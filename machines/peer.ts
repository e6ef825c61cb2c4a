/**
 * Whether one epoch of another agent lives. Heartbeats show it. Silence alone proves nothing: the silence can be this
 * agent's own. So a silent peer is declared dead in this order only: an own heartbeat comes back from NATS, a direct
 * question stays unanswered, another own heartbeat comes back, and the peer is still silent a moment later. The second own
 * heartbeat shows that NATS worked after the question. The moment lets messages arrive that NATS delivers late.
 * `src/actors/living/liveness.ts` provides the effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface PeerInput {
  readonly agent: string;
  readonly epoch: string;
  readonly heartbeatMs: number;
}

export interface PeerContext extends PeerInput {
  readonly failure: Failure | null;
}

export type PeerEvent =
  /** A heartbeat, which names the interval, or another message of this epoch. */
  | { type: 'peer.heard'; heartbeatMs?: number | undefined }
  /** This epoch is certainly over: it has reported that it stops, or another epoch has its place. */
  | { type: 'peer.left'; failure: Failure }
  /** A heartbeat of this agent, which it sent in the present state, has come back. */
  | { type: 'self.heard' }
  /** This agent is cut off from NATS; or no longer. */
  | { type: 'line.down' }
  | { type: 'line.up' };

/**
 * A peer that was silent for this many heartbeat intervals is declared dead. The value is a little below three, so that its
 * requests have ended and are announced before the third interval is over.
 */
export const SILENT_HEARTBEATS_MAX = 2.75;
/** A peer that was silent for this many intervals is suspected. */
const SUSPECT_HEARTBEATS = 1.25;
/** How long a message may be late that NATS had when the last own heartbeat came back, in intervals. */
const STRAGGLER_HEARTBEATS = 0.25;

/** What the machine asks its owner to do. */
const effects = {
  /** Sends a heartbeat of this agent. When it comes back, the machine gets `self.heard`. */
  listen: effect(),
  /** Asks the peer directly, again and again while this state lasts. */
  ask: effect(),
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
    keepInterval: assign({
      heartbeatMs: ({ context }, params: { heartbeatMs: number | undefined }) =>
        params.heartbeatMs ?? context.heartbeatMs,
    }),
  },
  delays: {
    suspectAfter: ({ context }) => context.heartbeatMs * SUSPECT_HEARTBEATS,
    askFor: ({ context }) => context.heartbeatMs * (SILENT_HEARTBEATS_MAX - SUSPECT_HEARTBEATS - STRAGGLER_HEARTBEATS),
    stragglers: ({ context }) => context.heartbeatMs * STRAGGLER_HEARTBEATS,
  },
}).createMachine({
  id: 'peer',
  context: ({ input }) => ({ ...input, failure: null }),
  initial: 'alive',
  on: {
    'peer.heard': {
      target: '.alive',
      actions: { type: 'keepInterval', params: ({ event }) => ({ heartbeatMs: event.heartbeatMs }) },
    },
    'peer.left': { target: '.lost', actions: assign({ failure: ({ event }) => event.failure }) },
    'line.down': '.unheard',
    'peer.*': { actions: 'reportUnexpected' },
  },
  states: {
    alive: { after: { suspectAfter: 'suspect' } },
    /** The peer is silent. */
    suspect: {
      meta: { waiting: { gate: 'peer', text: 'a heartbeat of {peer}, which is late' } },
      initial: 'listening',
      states: {
        listening: { entry: 'listen', on: { 'self.heard': 'asking' } },
        asking: { entry: 'ask', after: { askFor: 'listeningAgain' } },
        listeningAgain: { entry: 'listen', on: { 'self.heard': 'overdue' } },
        overdue: {
          after: {
            stragglers: {
              target: '#peer.lost',
              actions: assign({
                failure: ({ context: { agent, heartbeatMs } }) => ({
                  code: 'no_responders',
                  message: `agent ${agent} was silent for ${SILENT_HEARTBEATS_MAX * heartbeatMs} ms and did not answer`,
                }),
              }),
            },
          },
        },
      },
    },
    /** This agent is cut off from NATS, so silence proves nothing about the peer. */
    unheard: {
      meta: { waiting: { gate: 'peer', text: 'its connection to NATS to return' } },
      on: {
        'line.up': 'alive',
        // The message was on its way before the line went down. The silence begins only now.
        'peer.heard': {
          actions: { type: 'keepInterval', params: ({ event }) => ({ heartbeatMs: event.heartbeatMs }) },
        },
      },
    },
    /** This epoch of the peer is over. An agent that comes back is another peer. */
    lost: { type: 'final', entry: 'reportLost' },
  },
});
