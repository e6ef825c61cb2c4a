/**
 * Receiver side: what arrives for one request. It counts chunks and decides, alone, how the request ends; the store
 * keeps the pages. Only when this agent may have been held for lost meanwhile, it first asks the sender whether that one
 * has announced an end already (P12). Effects are provided by `src/actors/ingest-actor.ts`.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import type { End } from '../src/protocol/subjects.js';
import { effect } from './effect.js';

export interface IngestInput {
  readonly request: string;
  /** The sender's epoch. */
  readonly epoch: string;
  readonly sender: string;
  readonly totalChunks: number;
  readonly timeoutMs: number;
}

export interface IngestContext extends IngestInput {
  readonly batches: number;
  /** Number of the batch that was marked last. */
  readonly lastBatch: number | null;
  readonly chunks: number;
  /** Chunks whose bytes are not here yet. */
  readonly pending: number;
  /** Of those, by batch, the ones that another request is writing. */
  readonly joinsPending: Readonly<Record<number, number>>;
  readonly deduplicated: number;
  readonly joined: number;
  /** Bytes written for this request. */
  readonly bytes: number;
  readonly end: End | null;
  readonly failure: Failure | null;
  /** The sender has announced the end. */
  readonly announcedBySender: boolean;
}

export type IngestEvent =
  | {
      type: 'batch.allocated';
      batch: number;
      last: boolean;
      written: number;
      ready: number;
      joined: number;
      /** Bytes that will be written. */
      bytes: number;
    }
  | { type: 'chunks.ready'; batch: number; written: number; joined: number }
  /** Of a batch's joined chunks, some are written by this request after all. */
  | { type: 'chunks.handed-over'; chunks: number; bytes: number }
  | { type: 'ingest.end'; end: 'failed' | 'cancelled' | 'expired'; failure: Failure }
  /** Nobody else has announced an end. */
  | { type: 'end.certain' }
  /** The sender held us for lost, and has announced this end. */
  | { type: 'end.announced'; end: End; failure: Failure | null }
  | { type: 'leases.ended'; cause: 'released' | 'expired' };

export const ingestMachine = setup({
  types: {
    input: {} as IngestInput,
    context: {} as IngestContext,
    events: {} as IngestEvent,
  },
  actions: {
    /** Find out whether the sender has announced an end. */
    decide: effect('decide'),
    /** The store keeps the end as a tombstone and, unless ready, takes back every lease. */
    recordEnd: effect('recordEnd'),
    /** Publish the terminal event, and tell the sender; unless it was the sender that announced the end. */
    announce: effect('announce'),
    notifyJoined: effect<{ batch: number }>('notifyJoined'),
    reportLeasesEnded: effect<{ cause: 'released' | 'expired' }>('reportLeasesEnded'),
    reportUnexpected: effect('reportUnexpected'),
    countBatch: assign(
      (
        { context },
        params: { batch: number; last: boolean; written: number; ready: number; joined: number; bytes: number },
      ) => ({
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
    countReady: assign(({ context }, params: { batch: number; written: number; joined: number }) => ({
      pending: context.pending - params.written - params.joined,
      joinsPending:
        params.joined > 0
          ? { ...context.joinsPending, [params.batch]: (context.joinsPending[params.batch] ?? 0) - params.joined }
          : context.joinsPending,
    })),
  },
  guards: {
    complete: ({ context }) =>
      context.lastBatch !== null && context.batches === context.lastBatch + 1 && context.pending === 0,
    isReady: ({ context }) => context.end === 'ready',
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
    end: null,
    failure: null,
    announcedBySender: false,
  }),
  initial: 'running',
  on: { 'ingest.*': { actions: 'reportUnexpected' } },
  states: {
    running: {
      initial: 'waiting',
      on: {
        'ingest.end': {
          target: 'deciding',
          actions: assign({ end: ({ event }) => event.end, failure: ({ event }) => event.failure }),
        },
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
        /** Not admitted: the request waits for pages. */
        waiting: {
          on: {
            'batch.allocated': {
              target: 'receiving',
              actions: { type: 'countBatch', params: ({ event }) => event },
            },
          },
        },
        receiving: {
          on: {
            'batch.allocated': { actions: { type: 'countBatch', params: ({ event }) => event } },
            'chunks.handed-over': { actions: { type: 'countHandedOver', params: ({ event }) => event } },
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
          always: { guard: 'complete', target: '#ingest.deciding', actions: assign({ end: 'ready' }) },
        },
      },
    },

    /** How it ends here is known; has somebody else announced another end? */
    deciding: {
      entry: 'decide',
      on: {
        'end.certain': [{ guard: 'isReady', target: 'ready' }, { target: 'ended' }],
        'end.announced': {
          target: 'ended',
          actions: assign({
            end: ({ event }) => event.end,
            failure: ({ event }) => event.failure,
            announcedBySender: true,
          }),
        },
      },
    },

    /** Every byte is here. The request's leases keep its pages until they are released or expire. */
    ready: {
      entry: ['recordEnd', 'announce'],
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
