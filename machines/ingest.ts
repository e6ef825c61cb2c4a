/**
 * Receiver side: what arrives for one request. The machine counts chunks and alone decides how the request ends. The store
 * keeps the pages. A message of the sender itself that completes the request is the sender's agreement. Before any other end
 * the machine asks the sender to agree (P12). Without an agreement the request ends `failed`. For one rank of several, the
 * agent that leads the ranks decides: a rank waits for its turn before it is admitted (P22); a rank that has every byte, or that
 * wants to end, waits for that decision (P17). `src/actors/receiving/ingest-actor.ts` provides its effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import type { End } from '../src/protocol/subjects.js';
import { effect } from './effect.js';
import type { StateMeta, Waiting } from './waiting.js';

export interface IngestInput {
  readonly request: string;
  /** The sender's epoch. */
  readonly epoch: string;
  readonly sender: string;
  readonly totalChunks: number;
  readonly timeoutMs: number;
  /** The rank, when the request has several. */
  readonly rank: number | null;
}

export interface IngestContext extends IngestInput {
  readonly batches: number;
  /** Number of the batch that was marked as the last. */
  readonly lastBatch: number | null;
  readonly chunks: number;
  /** Chunks whose bytes have not arrived. */
  readonly pending: number;
  /** How many of the pending chunks another request writes, by batch. */
  readonly joinsPending: Readonly<Record<number, number>>;
  readonly deduplicated: number;
  readonly joined: number;
  /** Bytes written for this request. */
  readonly bytes: number;
  /** The last step forward is the effect of a message of the sender itself, which the sender knows to be unanswered. */
  readonly ownStep: boolean;
  readonly end: End | null;
  readonly failure: Failure | null;
  /** The sender, or the agent that leads the ranks, has announced the end. */
  readonly announcedElsewhere: boolean;
}

export type IngestEvent =
  /** One rank of several: its batch is recorded, and waits for the turn of the rank. */
  | { type: 'batch.held' }
  /** The batch waits for pages. */
  | { type: 'batch.queued' }
  | {
      type: 'batch.allocated';
      batch: number;
      last: boolean;
      written: number;
      ready: number;
      joined: number;
      /** Bytes that will be written. */
      bytes: number;
      /** An effect of a message of this request's own sender, and not of another request. */
      own: boolean;
    }
  | { type: 'chunks.ready'; batch: number; written: number; joined: number; own: boolean }
  /** This request now writes some of the chunks that it had joined. */
  | { type: 'chunks.handed-over'; chunks: number; bytes: number }
  /** Its sender does not write chunks that were handed over: they are joined again. */
  | { type: 'chunks.declined'; chunks: number; bytes: number }
  | { type: 'ingest.end'; end: 'failed' | 'cancelled' | 'expired'; failure: Failure }
  /** The sender itself gives the request up, as failed. */
  | { type: 'ingest.abort'; failure: Failure }
  /** The sender has announced no end, and follows the end that this agent announces. */
  | { type: 'end.agreed' }
  /** The sender is lost, or does not know the request, or the agent that leads the ranks is lost: nobody agrees. */
  | { type: 'end.refused'; failure: Failure }
  /** The sender has announced this end, or the agent that leads the ranks has decided it. */
  | { type: 'end.announced'; end: End; failure: Failure | null }
  | { type: 'leases.ended'; cause: 'released' | 'expired' };

/** Takes the end that another agent has announced. */
const adopt = {
  type: 'adoptEnd',
  params: ({ event }: { event: { end: End; failure: Failure | null } }) => event,
} as const;
/** Counts the chunks of an allocated batch. */
const count = {
  type: 'countBatch',
  params: ({ event }: { event: Extract<IngestEvent, { type: 'batch.allocated' }> }) => event,
} as const;
/** Takes the end that an event wishes. */
const wish = {
  type: 'wish',
  params: ({ event: { end, failure } }: { event: { end: End; failure: Failure } }) => ({ end, failure }),
} as const;
const fail = {
  type: 'wish',
  params: ({ event: { failure } }: { event: { failure: Failure } }) => ({ end: 'failed' as const, failure }),
} as const;
const endedElsewhere = [
  { guard: 'isAnnouncedReady', target: '#ingest.ready', actions: adopt },
  { target: '#ingest.ended', actions: adopt },
] as const;

/** What the machine asks its owner to do. */
const effects = {
  /** Asks the sender to agree to the end; for one rank of several, asks how all ranks end. */
  decide: effect(),
  /** Reports to the agent that leads the ranks that this rank has come and waits for its turn. */
  reportHeld: effect(),
  /** Reports to that agent that the rank is admitted. */
  reportAdmitted: effect(),
  /** Reports to that agent that every byte has arrived. */
  reportComplete: effect(),
  /** The store keeps the end as a tombstone. Unless the end is ready, it takes back every lease. */
  recordEnd: effect(),
  /** Publishes the terminal event unless another agent does, and notifies the sender unless the sender has announced the end. */
  announce: effect(),
  notifyJoined: effect<{ batch: number }>(),
  reportLeasesEnded: effect<{ cause: 'released' | 'expired' }>(),
  reportUnexpected: effect(),
};

export type IngestEffects = typeof effects;

export const ingestMachine = setup({
  types: {
    input: {} as IngestInput,
    context: {} as IngestContext,
    events: {} as IngestEvent,
    meta: {} as StateMeta<IngestContext>,
  },
  actions: {
    ...effects,
    countBatch: assign(
      (
        { context },
        params: {
          batch: number;
          last: boolean;
          written: number;
          ready: number;
          joined: number;
          bytes: number;
          own: boolean;
        },
      ) => ({
        ownStep: params.own,
        batches: context.batches + 1,
        lastBatch: params.last ? params.batch : context.lastBatch,
        chunks: context.chunks + params.written + params.ready + params.joined,
        pending: context.pending + params.written + params.joined,
        joinsPending:
          params.joined > 0 ? { ...context.joinsPending, [params.batch]: params.joined } : context.joinsPending,
        deduplicated: context.deduplicated + params.ready + params.joined,
        joined: context.joined + params.joined,
        bytes: context.bytes + params.bytes,
      }),
    ),
    countHandedOver: assign(({ context }, params: { chunks: number; bytes: number }) => ({
      deduplicated: context.deduplicated - params.chunks,
      joined: context.joined - params.chunks,
      bytes: context.bytes + params.bytes,
    })),
    wish: assign((_, params: { end: End; failure: Failure }) => params),
    /** Without the agreement of the sender, an agent announces no other end than `failed`. */
    failUnlessFailed: assign(({ context: { end, failure } }, params: { failure: Failure }) => ({
      end: 'failed' as const,
      failure: end === 'failed' ? failure : params.failure,
    })),
    /** An announced `ready` counts only when every byte has arrived. Otherwise an engine would read pages without bytes. */
    adoptEnd: assign(({ context }, params: { end: End; failure: Failure | null }) => {
      if (params.end !== 'ready' || isComplete(context)) {
        return { end: params.end, failure: params.failure, announcedElsewhere: true };
      }
      const message = `request ${context.request} was announced ready before all its bytes had arrived`;
      return {
        end: 'failed' as const,
        failure: { code: 'inconsistent_reply' as const, message },
        announcedElsewhere: true,
      };
    }),
    countReady: assign(({ context }, params: { batch: number; written: number; joined: number; own: boolean }) => ({
      ownStep: params.own,
      pending: context.pending - params.written - params.joined,
      joinsPending:
        params.joined > 0
          ? { ...context.joinsPending, [params.batch]: (context.joinsPending[params.batch] ?? 0) - params.joined }
          : context.joinsPending,
    })),
  },
  guards: {
    complete: ({ context }) => isComplete(context),
    completeByOwnMessage: ({ context }) => context.ownStep && isComplete(context),
    completeOfRanks: ({ context }) => context.rank !== null && isComplete(context),
    isReady: ({ context }) => context.end === 'ready',
    isOneOfRanks: ({ context }) => context.rank !== null,
    isAnnouncedReady: ({ context, event }) =>
      event.type === 'end.announced' && event.end === 'ready' && isComplete(context),
    resolvesJoins: ({ context, event }) =>
      event.type === 'chunks.ready' && event.joined > 0 && context.joinsPending[event.batch] === event.joined,
  },
  delays: { deadline: ({ context }) => context.timeoutMs },
}).createMachine({
  id: 'ingest',
  context: ({ input }) => ({
    ...input,
    batches: 0,
    lastBatch: null,
    chunks: 0,
    pending: 0,
    joinsPending: {},
    deduplicated: 0,
    joined: 0,
    bytes: 0,
    ownStep: false,
    end: null,
    failure: null,
    announcedElsewhere: false,
  }),
  initial: 'running',
  on: { 'ingest.*': { actions: 'reportUnexpected' } },
  states: {
    running: {
      initial: 'waiting',
      on: {
        'ingest.end': { target: 'deciding', actions: wish },
        'ingest.abort': [
          { guard: 'isOneOfRanks', target: 'deciding', actions: fail },
          { target: 'ended', actions: fail },
        ],
        'end.announced': endedElsewhere,
      },
      after: {
        deadline: {
          target: 'deciding',
          actions: assign({
            end: 'expired',
            failure: ({ context }) => ({
              code: 'deadline_exceeded',
              message: `request ${context.request} was not complete within ${context.timeoutMs} ms`,
            }),
          }),
        },
      },
      states: {
        /** Not admitted yet: the request waits for pages. */
        waiting: {
          meta: { waiting: { gate: 'admission', text: 'free pages for its chunks' } },
          on: {
            'batch.held': 'held',
            'batch.allocated': [
              { guard: 'isOneOfRanks', target: 'receiving', actions: [count, 'reportAdmitted'] },
              { target: 'receiving', actions: count },
            ],
          },
        },
        /** One rank of several: it takes no page before its turn. */
        held: {
          entry: 'reportHeld',
          meta: { waiting: { gate: 'ranks', text: 'its turn: the other ranks to come or to be admitted' } },
          on: {
            'batch.queued': 'waiting',
            'batch.allocated': { target: 'receiving', actions: [count, 'reportAdmitted'] },
          },
        },
        receiving: {
          meta: { waiting: whatIsMissing },
          on: {
            'batch.allocated': { actions: count },
            'chunks.handed-over': { actions: { type: 'countHandedOver', params: ({ event }) => event } },
            'chunks.declined': {
              actions: {
                type: 'countHandedOver',
                params: ({ event: { chunks, bytes } }) => ({ chunks: -chunks, bytes: -bytes }),
              },
            },
            'chunks.ready': [
              {
                guard: 'resolvesJoins',
                actions: [
                  { type: 'countReady', params: ({ event }) => event },
                  { type: 'notifyJoined', params: ({ event }) => ({ batch: event.batch }) },
                ],
              },
              { actions: { type: 'countReady', params: ({ event }) => event } },
            ],
          },
          always: [
            { guard: 'completeOfRanks', target: 'gathering' },
            { guard: 'completeByOwnMessage', target: '#ingest.ready', actions: assign({ end: 'ready' }) },
            { guard: 'complete', target: '#ingest.deciding', actions: assign({ end: 'ready' }) },
          ],
        },
        /** Every byte has arrived, but other ranks may not be complete. */
        gathering: {
          entry: 'reportComplete',
          meta: { waiting: { gate: 'ranks', text: 'the other ranks to be complete' } },
        },
      },
    },

    /** The end is known here. It stands if the sender agrees, and has not announced another. */
    deciding: {
      entry: 'decide',
      meta: {
        waiting: ({ rank }) =>
          rank === null
            ? { gate: 'sender', text: '{peer} to agree to the end of the request' }
            : { gate: 'ranks', text: 'the decision of the agent that leads the ranks' },
      },
      on: {
        'end.agreed': [{ guard: 'isReady', target: 'ready' }, { target: 'ended' }],
        'end.refused': {
          target: 'ended',
          actions: { type: 'failUnlessFailed', params: ({ event }) => ({ failure: event.failure }) },
        },
        'end.announced': endedElsewhere,
      },
    },

    /** Every byte has arrived. The leases of the request keep its pages until they are released or expire. */
    ready: {
      entry: ['recordEnd', 'announce'],
      meta: { waiting: { gate: 'engine', text: 'the engine to read its pages and release them' } },
      on: {
        'leases.ended': {
          target: 'released',
          actions: { type: 'reportLeasesEnded', params: ({ event }) => ({ cause: event.cause }) },
        },
      },
    },

    released: { type: 'final' },
    ended: { type: 'final', entry: ['recordEnd', 'announce'] },
  },
});

/** What a request waits for while its chunks arrive. */
function whatIsMissing({ pending, joinsPending, batches, lastBatch }: IngestContext): Waiting {
  const joined = Object.values(joinsPending).reduce((sum, chunks) => sum + chunks, 0);
  if (pending > joined) return { gate: 'sender', text: `{peer} to write ${pending - joined} chunks` };
  if (joined > 0) return { gate: 'writer', text: `other requests to write ${joined} chunks that it has joined` };
  const last = lastBatch === null ? '' : ` of ${lastBatch + 1}`;
  return { gate: 'sender', text: `{peer} to send more batches: ${batches}${last} have arrived` };
}

function isComplete({ lastBatch, batches, pending }: IngestContext): boolean {
  return lastBatch !== null && batches === lastBatch + 1 && pending === 0;
}
