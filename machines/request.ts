/**
 * Sender side: one request on its way to one receiver. The machine starts a transfer for every batch. It ends when the
 * receiver has reported how the request ended, or can no longer be asked. One refused chunk ends the whole request (S15).
 *
 * A request that was put without a receiver is *offered*: it only keeps its batches until `route` names the receiver (T29).
 *
 * The receiver announces the end if it may know the request. The sender announces an end of its own choice only when that is
 * certain to be the only one (`end.certain`). When the receiver is only silent, the sender announces `failed`, unless it is
 * *in doubt* (P12): it has agreed to follow the receiver, or a message that may complete the request has no answer. Then the
 * receiver may have announced another end, and the sender asks until it learns that end. `src/actors/sending/request-actor.ts` provides its effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import type { End } from '../src/protocol/subjects.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface RequestInput {
  readonly request: string;
  readonly epoch: string;
  /** Null: the request is offered. */
  readonly receiver: string | null;
  readonly totalChunks: number;
  /** Time limit of the request, from its first batch on. Of an offered one, until it is routed. */
  readonly timeoutMs: number;
  /** How often the machine asks the receiver for the end, in case a notice was lost. */
  readonly inquireIntervalMs: number;
  /** How long agents remember the end of a request. */
  readonly tombstoneMs: number;
  /** The request has several ranks, so their lead decides: no message of this sender completes the request. */
  readonly hasRanks: boolean;
}

export interface RequestContext extends RequestInput {
  readonly batches: number;
  readonly chunks: number;
  readonly lastIn: boolean;
  /** Transfers that have not ended. */
  readonly active: number;
  /** Every write of this request is known to have ended. */
  readonly drained: boolean;
  /** A transfer has ended without the answer to its `allocate` or `commit`. */
  readonly unanswered: boolean;
  /** This side has answered `confirm`: the receiver may announce an end of its choice. */
  readonly agreed: boolean;
  /** The end that the sender asks the receiver to record when it gives up. */
  readonly wish: { readonly end: 'failed' | 'cancelled' | 'expired'; readonly failure: Failure } | null;
  /** How the request ended. The first report of the receiver replaces the sender's own verdict. */
  readonly end: End | null;
  readonly failure: Failure | null;
  /** The receiver has recorded the end and announces it. */
  readonly receiverAnnounces: boolean;
}

export type RequestEvent =
  | { type: 'batch.added'; batch: number; chunks: number; last: boolean }
  /** A router has named the receiver. `timeoutMs`: time limit from now on. */
  | { type: 'request.routed'; receiver: string; timeoutMs: number; hasRanks: boolean }
  /** The agent announces another end for the ranks of an offered request. */
  | { type: 'request.withdrawn'; failure: Failure }
  | { type: 'transfer.committed'; batch: number }
  | { type: 'transfer.aborted'; batch: number; failure: Failure; drained: boolean; unanswered: boolean }
  | { type: 'request.cancel'; failure: Failure }
  | { type: 'request.ended'; end: End; failure: Failure | null }
  | { type: 'receiver.lost'; failure: Failure }
  /** The receiver asked for an end that this side has announced, and was answered that there is none. */
  | { type: 'confirm.agreed' }
  | { type: 'abort.acknowledged'; end: End; failure: Failure | null }
  /** The receiver is silent. */
  | { type: 'abort.unreachable' }
  /** The receiver announces nothing: it has never received a message about the request, or its death is proven. */
  | { type: 'end.certain' };

const countCommitted = { type: 'countTransferEnd', params: { drained: true, unanswered: false } } as const;
const countAborted = {
  type: 'countTransferEnd',
  params: ({ event: { drained, unanswered } }: { event: { drained: boolean; unanswered: boolean } }) => ({
    drained,
    unanswered,
  }),
} as const;

/** What the machine asks its owner to do. */
const effects = {
  startTransfer: effect<{ batch: number }>(),
  /** Starts a transfer for each batch of an offered request. */
  startTransfers: effect(),
  /** Returns the source memory of an offered request. */
  releaseOffered: effect(),
  /** The receiver reports `ready`: transfers that wait for a reply are done. */
  settleTransfers: effect(),
  cancelTransfers: effect<{ failure: Failure }>(),
  sendAbort: effect(),
  sendDrained: effect(),
  /** Asks how the request has ended, and what has become of the batches that wait. */
  inquire: effect(),
  /** Asks again and again for the end that the receiver has announced, and for the proof of its death. */
  resolveDoubt: effect(),
  /** Publishes the terminal event, unless the receiver announces the end. */
  announce: effect(),
  /** Whether the receiver has announced an end, and which one, stays unknown. */
  reportUnknown: effect(),
  reportEnded: effect(),
  reportUnexpected: effect(),
};

export type RequestEffects = typeof effects;

export const requestMachine = setup({
  types: {
    input: {} as RequestInput,
    context: {} as RequestContext,
    events: {} as RequestEvent,
    meta: {} as StateMeta<RequestContext>,
  },
  actions: {
    ...effects,
    addBatch: assign(({ context }, { chunks, last }: { chunks: number; last: boolean }) => ({
      batches: context.batches + 1,
      chunks: context.chunks + chunks,
      lastIn: last,
    })),
    countTransferEnd: assign({
      active: ({ context }) => context.active - 1,
      drained: ({ context }, params: { drained: boolean; unanswered: boolean }) => context.drained && params.drained,
      unanswered: ({ context }, params: { drained: boolean; unanswered: boolean }) =>
        context.unanswered || params.unanswered,
    }),
    wishFor: assign({
      wish: ({ context }, params: { end: 'failed' | 'cancelled' | 'expired'; failure: Failure }) =>
        context.wish ?? params,
    }),
    wishForExpiry: assign(({ context: { wish, request, timeoutMs } }) => {
      const message =
        timeoutMs === 0
          ? `request ${request} had no time left when its turn came: timeoutMs counts from the arrival of the put`
          : `request ${request} did not end within ${timeoutMs} ms`;
      return { wish: wish ?? { end: 'expired' as const, failure: { code: 'deadline_exceeded' as const, message } } };
    }),
    /** The first report of the receiver holds, even against the sender's own verdict. */
    recordVerdict: assign(({ context }, params: { end: End; failure: Failure | null }) => {
      if (context.receiverAnnounces) return {};
      const failure = params.end === 'ready' ? null : (params.failure ?? context.failure);
      return { end: params.end, failure, receiverAnnounces: true };
    }),
    recordOwnVerdict: assign(({ context }) =>
      context.end === null ? { end: context.wish?.end ?? 'failed', failure: context.wish?.failure ?? null } : {},
    ),
    /** Nothing was sent, so no receiver announces an end. Another agent does if this one has agreed to the end of the ranks. */
    endOffer: assign(({ context }, params: { end: 'failed' | 'cancelled'; failure: Failure }) => ({
      ...params,
      receiverAnnounces: context.agreed,
    })),
    expireOffer: assign(({ context: { request, timeoutMs, agreed } }) => {
      const message = `no router named the receiver of request ${request} within ${timeoutMs} ms: send route`;
      const failure = { code: 'deadline_exceeded' as const, message };
      return { end: 'expired' as const, failure, receiverAnnounces: agreed };
    }),
    /** Without the agreement of the other side, an agent announces no other end than `failed`. */
    recordLoss: assign(({ context: { end, wish, receiver, request } }) => {
      if (end !== null) return {};
      if (wish?.end === 'failed') return { end: 'failed' as const, failure: wish.failure };
      const message = `agent ${receiver} does not answer: request ${request} ends failed, not ${wish?.end ?? 'ready'}`;
      return { end: 'failed' as const, failure: { code: 'receiver_lost' as const, message } };
    }),
  },
  guards: {
    isRouted: ({ context }) => context.receiver !== null,
    everythingCommitted: ({ context }) => context.lastIn && context.active === 0,
    endedReady: ({ event }) => event.type === 'request.ended' && event.end === 'ready',
    verdictAndDrained: ({ context }) => context.end !== null && context.active === 0,
    verdictUnknown: ({ context }) => context.end === null,
    isDeadline: ({ event }) => event.type === 'transfer.aborted' && event.failure.code === 'deadline_exceeded',
    everyTransferEnded: ({ context }) => context.active === 0,
    isInDoubt: ({ context }) => isInDoubt(context),
  },
  delays: {
    deadline: ({ context }) => context.timeoutMs,
    inquireInterval: ({ context }) => context.inquireIntervalMs,
    /** By then the receiver has ended the request by its own deadline, and has forgotten that end. */
    forgotten: ({ context }) => context.timeoutMs + context.tombstoneMs,
  },
}).createMachine({
  id: 'request',
  context: ({ input }) => ({
    ...input,
    batches: 0,
    chunks: 0,
    lastIn: false,
    active: 0,
    drained: true,
    unanswered: false,
    agreed: false,
    wish: null,
    end: null,
    failure: null,
    receiverAnnounces: false,
  }),
  initial: 'put',
  on: {
    'request.*': { actions: 'reportUnexpected' },
    'confirm.agreed': { actions: assign({ agreed: true }) },
  },
  states: {
    /** Decides at once whether a receiver is named. */
    put: { always: [{ guard: 'isRouted', target: 'running' }, { target: 'offered' }] },

    /** No router has named the receiver. The request holds source memory and nothing else. */
    offered: {
      meta: {
        waiting: ({ batches, chunks }) => ({
          gate: 'router',
          text: `a router to name the receiver of its chunks: ${chunks} so far, batches: ${batches} (route)`,
        }),
      },
      on: {
        'batch.added': { actions: { type: 'addBatch', params: ({ event }) => event } },
        'request.routed': {
          target: 'running',
          actions: [
            assign(({ context, event: { receiver, timeoutMs, hasRanks } }) => {
              return { receiver, timeoutMs, hasRanks, active: context.batches };
            }),
            'startTransfers',
          ],
        },
        'request.cancel': {
          target: 'ended',
          actions: [
            { type: 'endOffer', params: ({ event }) => ({ end: 'cancelled', failure: event.failure }) },
            'releaseOffered',
          ],
        },
        'request.withdrawn': {
          target: 'ended',
          actions: [
            assign({ agreed: true }),
            { type: 'endOffer', params: ({ event }) => ({ end: 'failed', failure: event.failure }) },
            'releaseOffered',
          ],
        },
      },
      after: { deadline: { target: 'ended', actions: ['expireOffer', 'releaseOffered'] } },
    },

    running: {
      initial: 'open',
      on: {
        'transfer.aborted': [
          // The time of the request was over, and the timer of a message noticed it first.
          { guard: 'isDeadline', target: 'aborting', actions: [countAborted, 'wishForExpiry'] },
          {
            target: 'aborting',
            actions: [
              countAborted,
              { type: 'wishFor', params: ({ event }) => ({ end: 'failed', failure: event.failure }) },
            ],
          },
        ],
        'request.cancel': {
          target: 'aborting',
          actions: { type: 'wishFor', params: ({ event }) => ({ end: 'cancelled', failure: event.failure }) },
        },
        'receiver.lost': {
          target: 'aborting',
          actions: { type: 'wishFor', params: ({ event }) => ({ end: 'failed', failure: event.failure }) },
        },
        'request.ended': [
          {
            guard: 'endedReady',
            target: 'settled',
            actions: { type: 'recordVerdict', params: ({ event }) => ({ end: event.end, failure: event.failure }) },
          },
          {
            target: 'aborting',
            actions: { type: 'recordVerdict', params: ({ event }) => ({ end: event.end, failure: event.failure }) },
          },
        ],
      },
      after: { deadline: { target: 'aborting', actions: 'wishForExpiry' } },
      states: {
        /** Batches come in, and their transfers run. */
        open: {
          meta: {
            waiting: ({ lastIn, active, batches }) =>
              lastIn
                ? { gate: 'receiver', text: `${active} of its ${batches} transfers to {peer}` }
                : { gate: 'engine', text: `the engine to put batch ${batches}` },
          },
          on: {
            'batch.added': {
              actions: [
                { type: 'addBatch', params: ({ event }) => event },
                assign({ active: ({ context }) => context.active + 1 }),
                { type: 'startTransfer', params: ({ event }) => ({ batch: event.batch }) },
              ],
            },
            'transfer.committed': { actions: countCommitted },
          },
          always: { guard: 'everythingCommitted', target: 'settling' },
          // A batch may wait for pages or for the bytes of other requests, and the notice of them may be lost.
          after: { inquireInterval: { target: 'open', reenter: true, actions: 'inquire' } },
        },
        /** All bytes are committed. The receiver decides the end. */
        settling: {
          meta: { waiting: { gate: 'receiver', text: '{peer} to report that every chunk is ready' } },
          after: { inquireInterval: { target: 'settling', reenter: true, actions: 'inquire' } },
        },
      },
    },

    /** The request is ready, but a transfer may still wait for a reply that the end has overtaken. */
    settled: {
      meta: { waiting: { gate: 'receiver', text: 'late replies of {peer} to its transfers' } },
      entry: 'settleTransfers',
      on: {
        'transfer.committed': { actions: countCommitted },
        'transfer.aborted': { actions: countAborted },
      },
      always: { guard: 'verdictAndDrained', target: 'ended' },
    },

    /** Waits for two things: the receiver's report of the end, and the end of every write. */
    aborting: {
      initial: 'deciding',
      entry: {
        type: 'cancelTransfers',
        params: ({ context }) => ({
          failure: context.wish?.failure ??
            context.failure ?? { code: 'cancelled_by_caller', message: `request ${context.request} has ended` },
        }),
      },
      on: {
        'transfer.committed': { actions: countCommitted },
        'transfer.aborted': { actions: countAborted },
        'request.ended': {
          actions: { type: 'recordVerdict', params: ({ event }) => ({ end: event.end, failure: event.failure }) },
        },
        'abort.acknowledged': {
          actions: {
            type: 'recordVerdict',
            params: ({ context, event }) => ({
              end: event.end,
              failure: event.failure ?? context.wish?.failure ?? null,
            }),
          },
        },
        'end.certain': { actions: 'recordOwnVerdict' },
      },
      always: { guard: 'verdictAndDrained', target: 'ended' },
      states: {
        deciding: { always: [{ guard: 'verdictUnknown', target: 'asking' }, { target: 'draining' }] },
        asking: {
          entry: 'sendAbort',
          meta: { waiting: { gate: 'receiver', text: '{peer} to report how the request ended' } },
          on: { 'abort.unreachable': 'silent' },
        },
        /** The receiver is silent. When every transfer has ended, it is known whether this side is in doubt. */
        silent: {
          meta: { waiting: { gate: 'fabric', text: 'its writes to end' } },
          always: [
            { guard: 'isInDoubt', target: 'doubting' },
            { guard: 'everyTransferEnded', target: '#request.ended', actions: 'recordLoss' },
          ],
        },
        /** The receiver is silent, and may have announced any end. This side announces none until it knows. */
        doubting: {
          entry: 'resolveDoubt',
          meta: {
            waiting: { gate: 'receiver', text: '{peer} to report the end that it may have announced, or its death' },
          },
          after: { forgotten: '#request.unknown' },
        },
        draining: { meta: { waiting: { gate: 'fabric', text: 'its writes to end' } } },
      },
    },

    /** This side announces nothing, because the receiver may have. */
    unknown: { type: 'final', entry: ['recordLoss', 'reportUnknown', 'reportEnded'] },
    ended: { type: 'final', entry: ['sendDrained', 'announce', 'reportEnded'] },
  },
});

/** The receiver may have announced an end that this side does not know. */
export function isInDoubt({
  agreed,
  hasRanks,
  lastIn,
  unanswered,
}: Pick<RequestContext, 'agreed' | 'hasRanks' | 'lastIn' | 'unanswered'>): boolean {
  return agreed || (!hasRanks && lastIn && unanswered);
}
