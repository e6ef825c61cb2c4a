/**
 * Sender side: the life of one batch. allocating → filtering → writing → committing → committed, with joining where
 * another request is still writing some of the keys, and aborting → draining → aborted when anything goes wrong. When
 * that other request fails, its chunks may be handed over: then this one goes from joining to writing again.
 *
 * Started and told to stop by the request machine; its effects are provided by `src/actors/sending/transfer-actor.ts`.
 */
import { assign, setup } from 'xstate';
import type { Allocation } from '../src/protocol/allocation.js';
import type { Failure } from '../src/protocol/fields.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

/** One chunk to write: its position in the batch and the page it may be written to. */
export interface Placement {
  readonly position: number;
  readonly page: number;
  readonly generation: number;
}

/** Chunks that are written and committed together. Part 0 is what was allocated, others were handed over. */
export interface TransferPart {
  readonly part: number;
  readonly placements: readonly Placement[];
}

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
  /** What is being written, or was last. */
  readonly current: TransferPart;
  /** What was handed over and is still to be written. */
  readonly handedOver: readonly TransferPart[];
  /** Positions that another request is writing; their source bytes are kept until they are ready. */
  readonly joined: readonly number[];
  /** Positions whose source memory is still ours to read. */
  readonly held: readonly number[];
  readonly joinResolved: boolean;
  readonly writeOutstanding: boolean;
  readonly failure: Failure | null;
  /** No byte of this transfer can land any more. */
  readonly drained: boolean;
}

export type TransferEvent =
  | { type: 'allocate.replied'; allocation: Allocation }
  | { type: 'allocate.failed'; failure: Failure }
  | { type: 'write.delivered' }
  | { type: 'write.failed'; failure: Failure; drained: boolean }
  | { type: 'commit.accepted' }
  | { type: 'commit.failed'; failure: Failure }
  | { type: 'join.resolved' }
  | { type: 'join.handed-over'; part: TransferPart }
  | { type: 'transfer.cancel'; failure: Failure }
  | { type: 'transfer.settle' };

/** The field that makes an allocation unusable, or undefined (S6: a list is never zipped with one that does not fit). */
export function unsoundField(allocation: Allocation, chunkCount: number, arenaPages: number): string | undefined {
  const { pages, generations, alreadySent, joined } = allocation;
  const isPosition = (value: number) => Number.isInteger(value) && value >= 0 && value < chunkCount;
  if (!alreadySent.every(isPosition) || new Set(alreadySent).size !== alreadySent.length) return 'alreadySent';
  if (pages.length + alreadySent.length !== chunkCount) return 'pages';
  const isGeneration = (value: number) => Number.isInteger(value) && value >= 0;
  if (generations.length !== pages.length || !generations.every(isGeneration)) return 'generations';
  const isPage = (value: number) => Number.isInteger(value) && value >= 0 && value < arenaPages;
  if (!pages.every(isPage) || new Set(pages).size !== pages.length) return 'pages';
  const sent = new Set(alreadySent);
  if (!joined.every((position) => sent.has(position)) || new Set(joined).size !== joined.length) return 'joined';
  return undefined;
}

/** The field that makes a hand-over unusable, or undefined: only chunks that were joined and are still held can be taken over. */
function unsoundHandOver(
  { placements }: TransferPart,
  { joined, held, arenaPages }: Pick<TransferContext, 'joined' | 'held' | 'arenaPages'>,
): string | undefined {
  const positions = placements.map((placement) => placement.position);
  const isOurs = (position: number) => joined.includes(position) && held.includes(position);
  if (!positions.every(isOurs) || new Set(positions).size !== positions.length) return 'positions';
  const pages = placements.map((placement) => placement.page);
  const isPage = (value: number) => Number.isInteger(value) && value >= 0 && value < arenaPages;
  if (!pages.every(isPage) || new Set(pages).size !== pages.length) return 'pages';
  return undefined;
}

/** 0 to `chunkCount` - 1. Many and often: written out, it takes a tenth of the time. */
function positionsOf(chunkCount: number): number[] {
  const positions: number[] = [];
  for (let position = 0; position < chunkCount; position += 1) positions.push(position);
  return positions;
}

/** Drops the deduplicated positions and pairs each remaining one, in order, with its page (S4). */
function placementsOf(allocation: Allocation, chunkCount: number): Placement[] {
  const deduplicated = new Set(allocation.alreadySent);
  const placements: Placement[] = [];
  for (let position = 0; position < chunkCount; position += 1) {
    if (deduplicated.has(position)) continue;
    const index = placements.length;
    const page = allocation.pages[index] as number;
    placements.push({ position, page, generation: allocation.generations[index] as number });
  }
  return placements;
}

/** What every failure and every order to stop leads to: the first reason is kept. */
const givingUp = {
  target: 'aborting',
  actions: {
    type: 'fail',
    params: ({ event }: { event: { readonly failure: Failure } }) => ({ failure: event.failure }),
  },
} as const;

/** The joined chunks' writer is gone, and this request shall write them: when it comes to that. */
const handedOver = {
  actions: {
    type: 'queueHandOver',
    params: ({ event }: { event: { readonly part: TransferPart } }) => ({ part: event.part }),
  },
} as const;

const emptyAllocation: Allocation = { pages: [], generations: [], alreadySent: [], joined: [] };

export const transferMachine = setup({
  types: {
    input: {} as TransferInput,
    context: {} as TransferContext,
    events: {} as TransferEvent,
    meta: {} as StateMeta<TransferContext>,
  },
  actions: {
    sendAllocate: effect('sendAllocate'),
    startWrite: effect('startWrite'),
    stopWrite: effect('stopWrite'),
    sendCommit: effect('sendCommit'),
    /** Source memory is given back: once per position (S5). */
    releaseSource: effect<{ positions: readonly number[] }>('releaseSource'),
    reportCommitted: effect('reportCommitted'),
    reportAborted: effect('reportAborted'),
    reportUnexpected: effect('reportUnexpected'),
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
      context.allocation === null ||
      unsoundField(context.allocation, context.chunkCount, context.arenaPages) !== undefined,
    hasPlacements: ({ context }) => context.current.placements.length > 0,
    hasHandOver: ({ context }) => context.handedOver.length > 0,
    handOverIsUnsound: ({ context }) => {
      const [part] = context.handedOver;
      return part !== undefined && unsoundHandOver(part, context) !== undefined;
    },
    hasUnresolvedJoins: ({ context }) => context.joined.length > 0 && !context.joinResolved,
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
      meta: { waiting: { gate: 'receiver', text: 'a connection to {peer}, and its answer to allocate' } },
      entry: 'sendAllocate',
      on: {
        'allocate.replied': {
          target: 'filtering',
          actions: assign({ allocation: ({ event }) => event.allocation }),
        },
        'allocate.failed': givingUp,
        // The notice overtook the reply it belongs to.
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        // The receiver has announced the request ready: everything was deduplicated and only its reply was lost.
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
              const { allocation, chunkCount, arenaPages } = context;
              const field = unsoundField(allocation ?? emptyAllocation, chunkCount, arenaPages) ?? 'pages';
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

    /** The reply is sound. Bytes that are ready at the receiver can no longer be asked for. */
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
        'write.failed': {
          target: 'aborting',
          actions: [
            assign({ writeOutstanding: false, drained: ({ event }) => event.drained }),
            { type: 'fail', params: ({ event }) => ({ failure: event.failure }) },
          ],
        },
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        // Ready without these bytes: nothing waits for them any more.
        'transfer.settle': {
          target: 'aborting',
          actions: {
            type: 'fail',
            params: ({ context }) => ({
              failure: {
                code: 'inconsistent_reply',
                message: `${context.transfer} was announced ready while it wrote`,
              },
            }),
          },
        },
        'transfer.cancel': givingUp,
      },
    },

    committing: {
      meta: { waiting: { gate: 'receiver', text: 'the answer of {peer} to commit' } },
      entry: 'sendCommit',
      on: {
        'commit.accepted': [{ guard: 'hasUnresolvedJoins', target: 'joining' }, { target: 'committed' }],
        'commit.failed': givingUp,
        'join.resolved': { actions: assign({ joinResolved: true }) },
        'join.handed-over': handedOver,
        // The receiver has announced the request ready, so it has this commit; only its reply was lost.
        'transfer.settle': 'committed',
        'transfer.cancel': givingUp,
      },
    },

    joining: {
      meta: {
        waiting: ({ joined }) => ({
          gate: 'writer',
          text: `others to write chunks that this batch has joined (${joined.length} at first)`,
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
                message: `chunks handed over to ${context.transfer} are not those it had joined`,
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
      meta: { waiting: { gate: 'fabric', text: 'the stopped write to end' } },
      on: {
        'write.delivered': { target: 'aborted', actions: assign({ writeOutstanding: false, drained: true }) },
        'write.failed': {
          target: 'aborted',
          actions: assign({ writeOutstanding: false, drained: ({ event }) => event.drained }),
        },
      },
      // The fabric did not say: the pages stay quarantined until the receiver revokes the remote key.
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
  return (context.allocation?.alreadySent ?? []).filter((position) => !joined.has(position));
}

function writtenPositions(context: TransferContext): number[] {
  return context.current.placements.map((placement) => placement.position);
}
