/**
 * Sender side: the transfer of one batch. Its way is allocating → filtering → writing → committing → committed. It waits in
 * queued until the receiver admits the batch, and in joining while another request writes some of the keys. When that request fails, its chunks may be handed over, and the
 * transfer writes again. Any failure leads to aborting → draining → aborted.
 *
 * The request machine starts and cancels transfers. `src/actors/sending/transfer-actor.ts` provides the effects.
 */
import { assign, setup } from 'xstate';
import type { Allocation } from '../src/protocol/allocation.js';
import type { Failure } from '../src/protocol/fields.js';
import { emptyAllocation, placementsOf, type TransferPart, unsoundField, unsoundHandOver } from './allocation.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface TransferInput {
  /** Identity of the transfer: `<epoch>/<request>/<batch>`. */
  readonly transfer: string;
  readonly batch: number;
  readonly chunkCount: number;
  /** Pages of the receiver's arena; a reply that names another page is refused. */
  readonly arenaPages: number;
  /** How long a write may take to drain once it was stopped. */
  readonly drainTimeoutMs: number;
}

export interface TransferContext extends TransferInput {
  /** What the receiver answered. All its numbers are unchecked until `filtering`. */
  readonly allocation: Allocation | null;
  /** The part that is being written, or was written last. */
  readonly current: TransferPart;
  /** Parts that were handed over and are not written yet. */
  readonly handedOver: readonly TransferPart[];
  /** Positions that another request writes. Their source bytes are kept until they are ready. */
  readonly joined: readonly number[];
  /** Positions whose source memory this transfer may still read. */
  readonly held: readonly number[];
  readonly joinResolved: boolean;
  readonly writeOutstanding: boolean;
  readonly failure: Failure | null;
  /** Whether every write of this transfer is known to have ended. */
  readonly drained: boolean;
}

export type TransferEvent =
  | { type: 'allocate.replied'; allocation: Allocation }
  /** The batch waits for pages at the receiver. */
  | { type: 'allocate.queued' }
  /** The receiver has admitted the batch, or does not know it: it must be asked again. */
  | { type: 'allocate.again' }
  | { type: 'allocate.failed'; failure: Failure }
  | { type: 'write.delivered' }
  /** The provider failed. The pages are written again under the next remote key; then no earlier write can land any more. */
  | { type: 'write.again'; drained: boolean }
  /** The part that was handed over is not written: its remote key was revoked meanwhile. It is handed over again. */
  | { type: 'write.refused' }
  | { type: 'write.failed'; failure: Failure; drained: boolean }
  | { type: 'commit.accepted' }
  | { type: 'commit.failed'; failure: Failure }
  | { type: 'join.resolved' }
  | { type: 'join.handed-over'; part: TransferPart }
  | { type: 'transfer.cancel'; failure: Failure }
  | { type: 'transfer.settle' };

/** 0 to `chunkCount` - 1. A loop takes a tenth of the time of `Array.from`, and every transfer starts with this list. */
function positionsOf(chunkCount: number): number[] {
  const positions: number[] = [];
  for (let position = 0; position < chunkCount; position += 1) positions.push(position);
  return positions;
}

/** Every failure and every order to stop leads to this transition. The first reason is kept. */
const givingUp = {
  target: 'aborting',
  actions: {
    type: 'fail',
    params: ({ event }: { event: { readonly failure: Failure } }) => ({ failure: event.failure }),
  },
} as const;

/** All numbers of the reply are unchecked until `filtering`. */
const replied = {
  target: 'filtering',
  actions: {
    type: 'keepAllocation',
    params: ({ event }: { event: { readonly allocation: Allocation } }) => ({ allocation: event.allocation }),
  },
} as const;

/** The writer of joined chunks is gone. This transfer writes them after its current part. */
const handedOver = {
  actions: {
    type: 'queueHandOver',
    params: ({ event }: { event: { readonly part: TransferPart } }) => ({ part: event.part }),
  },
} as const;

/** What the machine asks its owner to do. */
const effects = {
  sendAllocate: effect(),
  startWrite: effect(),
  stopWrite: effect(),
  sendCommit: effect(),
  /** Returns source memory, once per position (S5). */
  releaseSource: effect<{ positions: readonly number[] }>(),
  reportCommitted: effect(),
  reportAborted: effect(),
  reportUnexpected: effect(),
};

export type TransferEffects = typeof effects;

export const transferMachine = setup({
  types: {
    input: {} as TransferInput,
    context: {} as TransferContext,
    events: {} as TransferEvent,
    meta: {} as StateMeta<TransferContext>,
  },
  actions: {
    ...effects,
    keepAllocation: assign((_, params: { allocation: Allocation }) => params),
    queueHandOver: assign({
      handedOver: ({ context }, params: { part: TransferPart }) => [...context.handedOver, params.part],
    }),
    takeHandOver: assign(({ context }) => ({
      current: context.handedOver[0] ?? context.current,
      handedOver: context.handedOver.slice(1),
    })),
    forgetHeld: assign({
      held: ({ context }, params: { positions: readonly number[] }) => {
        const gone = new Set(params.positions);
        return context.held.filter((position) => !gone.has(position));
      },
    }),
    fail: assign({ failure: ({ context }, params: { failure: Failure }) => context.failure ?? params.failure }),
  },
  guards: {
    replyIsUnsound: ({ context }) =>
      context.allocation === null || unsoundField(context.allocation, context) !== undefined,
    hasPlacements: ({ context }) => context.current.placements.length > 0,
    hasHandOver: ({ context }) => context.handedOver.length > 0,
    handOverIsUnsound: ({ context }) => {
      const [part] = context.handedOver;
      return part !== undefined && unsoundHandOver(part, context) !== undefined;
    },
    hasUnresolvedJoins: ({ context }) => context.joined.length > 0 && !context.joinResolved,
    wasHandedOver: ({ context }) => context.current.part > 0,
    writeIsOutstanding: ({ context }) => context.writeOutstanding,
  },
  delays: { drainTimeout: ({ context }) => context.drainTimeoutMs },
}).createMachine({
  id: 'transfer',
  context: ({ input }) => ({
    ...input,
    allocation: null,
    current: { part: 0, placements: [] },
    handedOver: [],
    joined: [],
    held: positionsOf(input.chunkCount),
    joinResolved: false,
    writeOutstanding: false,
    failure: null,
    drained: true,
  }),
  initial: 'allocating',
  on: { 'transfer.*': { actions: 'reportUnexpected' } },
  states: {
    allocating: {
      meta: { waiting: { gate: 'receiver', text: 'a connection to {peer} and its reply to allocate' } },
      entry: 'sendAllocate',
      on: {
        'allocate.queued': 'queued',
        'allocate.replied': replied,
        'allocate.failed': givingUp,
        // The notice overtook the reply to allocate.
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        // The receiver has announced the request ready: every chunk was deduplicated, and only its reply was lost.
        'transfer.settle': 'committed',
        'transfer.cancel': givingUp,
      },
    },

    /** The receiver sends the allocation when it admits the batch. The request asks for it from time to time. */
    queued: {
      meta: { waiting: { gate: 'admission', text: 'free pages of {peer} for its chunks' } },
      on: {
        'allocate.again': 'allocating',
        'allocate.replied': replied,
        'allocate.failed': givingUp,
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        'transfer.settle': 'committed',
        'transfer.cancel': givingUp,
      },
    },

    filtering: {
      always: [
        {
          guard: 'replyIsUnsound',
          target: 'aborting',
          actions: {
            type: 'fail',
            params: ({ context }) => {
              const { chunkCount } = context;
              const field = unsoundField(context.allocation ?? emptyAllocation, context) ?? 'pages';
              const message = `allocation of ${context.transfer} does not fit its ${chunkCount} chunks: ${field}`;
              return { failure: { code: 'inconsistent_reply', message, field } };
            },
          },
        },
        {
          target: 'filtered',
          actions: [
            assign(({ context }) => {
              const allocation = context.allocation ?? emptyAllocation;
              const current = { part: 0, placements: placementsOf(allocation, context.chunkCount) };
              return { current, joined: allocation.joined };
            }),
          ],
        },
      ],
    },

    /** The reply is sound. The receiver has the bytes of ready chunks and never asks for them again. */
    filtered: {
      entry: [
        { type: 'releaseSource', params: ({ context }) => ({ positions: readyPositions(context) }) },
        { type: 'forgetHeld', params: ({ context }) => ({ positions: readyPositions(context) }) },
      ],
      always: [
        { guard: 'hasPlacements', target: 'writing' },
        { guard: 'hasUnresolvedJoins', target: 'joining' },
        { target: 'committed' },
      ],
    },

    writing: {
      meta: {
        waiting: ({ current }) => ({
          gate: 'fabric',
          text: `the fabric to deliver ${current.placements.length} chunks to {peer}`,
        }),
      },
      entry: [assign({ writeOutstanding: true, drained: false }), 'startWrite'],
      on: {
        'write.delivered': {
          target: 'committing',
          actions: [
            assign({ writeOutstanding: false, drained: true }),
            { type: 'releaseSource', params: ({ context }) => ({ positions: writtenPositions(context) }) },
            { type: 'forgetHeld', params: ({ context }) => ({ positions: writtenPositions(context) }) },
          ],
        },
        'write.again': {
          target: 'allocating',
          actions: assign({ writeOutstanding: false, drained: ({ event }) => event.drained }),
        },
        'write.refused': {
          guard: 'wasHandedOver',
          target: 'joining',
          actions: assign({ writeOutstanding: false, drained: true }),
        },
        'write.failed': {
          target: 'aborting',
          actions: [
            assign({ writeOutstanding: false, drained: ({ event }) => event.drained }),
            { type: 'fail', params: ({ event }) => ({ failure: event.failure }) },
          ],
        },
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        // The receiver announced ready without these bytes: no request needs them any more.
        'transfer.settle': {
          target: 'aborting',
          actions: {
            type: 'fail',
            params: ({ context }) => ({
              failure: {
                code: 'inconsistent_reply',
                message: `request of transfer ${context.transfer} was announced ready during a write`,
              },
            }),
          },
        },
        'transfer.cancel': givingUp,
      },
    },

    committing: {
      meta: { waiting: { gate: 'receiver', text: 'the reply of {peer} to commit' } },
      entry: 'sendCommit',
      on: {
        'commit.accepted': [{ guard: 'hasUnresolvedJoins', target: 'joining' }, { target: 'committed' }],
        'commit.failed': givingUp,
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        // The receiver has announced the request ready, so it has this commit. Only its reply was lost.
        'transfer.settle': 'committed',
        'transfer.cancel': givingUp,
      },
    },

    joining: {
      meta: {
        waiting: ({ joined }) => ({
          gate: 'writer',
          text: `other requests to write the chunks that this batch has joined (${joined.length} at first)`,
        }),
      },
      always: [
        {
          guard: 'handOverIsUnsound',
          target: 'aborting',
          actions: {
            type: 'fail',
            params: ({ context }) => ({
              failure: {
                code: 'inconsistent_reply',
                message: `chunks handed over to ${context.transfer} are not chunks that it has joined`,
                field: unsoundHandOver(context.handedOver[0] ?? { part: 0, placements: [] }, context) ?? 'positions',
              },
            }),
          },
        },
        { guard: 'hasHandOver', target: 'writing', actions: 'takeHandOver' },
      ],
      on: {
        'join.handed-over': handedOver,
        'join.resolved': { target: 'committed', actions: assign({ joinResolved: true }) },
        'transfer.settle': 'committed',
        'transfer.cancel': givingUp,
      },
    },

    aborting: {
      always: [{ guard: 'writeIsOutstanding', target: 'draining', actions: 'stopWrite' }, { target: 'aborted' }],
    },

    draining: {
      meta: { waiting: { gate: 'fabric', text: 'the fabric to end the stopped write' } },
      on: {
        'write.delivered': { target: 'aborted', actions: assign({ writeOutstanding: false, drained: true }) },
        'write.failed': {
          target: 'aborted',
          actions: assign({ writeOutstanding: false, drained: ({ event }) => event.drained }),
        },
      },
      // The fabric reported no end: the pages stay quarantined until the receiver revokes the remote key.
      after: { drainTimeout: { target: 'aborted', actions: assign({ drained: false }) } },
    },

    committed: {
      type: 'final',
      entry: [
        { type: 'releaseSource', params: ({ context }) => ({ positions: context.held }) },
        { type: 'forgetHeld', params: ({ context }) => ({ positions: context.held }) },
        'reportCommitted',
      ],
    },
    aborted: {
      type: 'final',
      entry: [
        { type: 'releaseSource', params: ({ context }) => ({ positions: context.held }) },
        { type: 'forgetHeld', params: ({ context }) => ({ positions: context.held }) },
        'reportAborted',
      ],
    },
  },
});

function readyPositions(context: TransferContext): number[] {
  const joined = new Set(context.joined);
  const held = new Set(context.held);
  // A reply that is repeated names the chunks again that were ready at first.
  return (context.allocation?.alreadySent ?? []).filter((position) => held.has(position) && !joined.has(position));
}

function writtenPositions(context: TransferContext): number[] {
  return context.current.placements.map((placement) => placement.position);
}
