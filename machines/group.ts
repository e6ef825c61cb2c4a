/**
 * One request over several ranks, at the receiver of rank 0, which leads the ranks. It gives the ranks their turns to be
 * admitted (P22). The request is ready when every rank is complete, and confirms so when it is asked once more. The first rank
 * that fails ends it on all ranks (P17). Only this machine decides and announces the end. The ingests of the ranks report to it
 * and follow its decision. `src/actors/ranks/group-actor.ts` provides its effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import type { End } from '../src/protocol/subjects.js';
import { effect } from './effect.js';
import { advance, type RankState, turnOf } from './turns.js';
import type { StateMeta, Waiting } from './waiting.js';

export interface GroupInput {
  readonly request: string;
  /** The receiver of each rank. */
  readonly receivers: readonly string[];
  readonly timeoutMs: number;
}

export interface GroupContext extends GroupInput {
  /** How far each rank has come. */
  readonly ranks: readonly RankState[];
  /** The receiver that had the latest turn to admit its ranks. */
  readonly turn: string | null;
  readonly end: End | null;
  readonly failure: Failure | null;
  /** The sender of rank 0 has announced the end. */
  readonly announcedBySender: boolean;
}

export type GroupEvent =
  /** The first batch of the rank is recorded at its receiver, and waits for its turn. */
  | { type: 'rank.came'; rank: number }
  /** The rank has the promise of all its pages. */
  | { type: 'rank.admitted'; rank: number }
  /** The rank has every byte and waits for the decision. */
  | { type: 'rank.completed'; rank: number }
  /** The rank wants to end like this, or has ended like this. */
  | { type: 'rank.failed'; rank: number; end: 'failed' | 'cancelled' | 'expired'; failure: Failure }
  | { type: 'group.end'; end: 'failed' | 'cancelled'; failure: Failure }
  /** Every rank was asked once more: it is there, has every byte, and waits for the end. */
  | { type: 'ranks.prepared' }
  /** Every rank that can be reached knows the end. */
  | { type: 'ranks.told' }
  /** The sender of rank 0 has announced no end, and follows the end that this agent announces. */
  | { type: 'end.certain' }
  /** The sender of rank 0 is lost, or does not know the request. */
  | { type: 'end.refused'; failure: Failure }
  /** The sender of rank 0 had declared this agent dead, and has announced this end. */
  | { type: 'end.announced'; end: End; failure: Failure | null };

/** Records the end that the event carries. */
const settleAsReported = {
  type: 'settle',
  params: ({ event: { end, failure } }: { event: { end: End; failure: Failure | null } }) => ({ end, failure }),
} as const;

/** What the machine asks its owner to do. */
const effects = {
  /** Allows the receiver whose turn it is to admit its ranks. */
  giveTurn: effect<{ receiver: string }>(),
  /** Asks every rank whether it is still there and complete. Sends `ranks.prepared`, or `rank.failed`. */
  prepare: effect(),
  /** Finds out whether the sender of rank 0 has announced an end. */
  decide: effect(),
  /** Sends every rank the end of the request. */
  tellRanks: effect(),
  /** Publishes the terminal event, unless the sender has announced the end. */
  announce: effect(),
  reportUnexpected: effect(),
};

export type GroupEffects = typeof effects;

export const groupMachine = setup({
  types: {
    input: {} as GroupInput,
    context: {} as GroupContext,
    events: {} as GroupEvent,
    meta: {} as StateMeta<GroupContext>,
  },
  actions: {
    ...effects,
    advance: assign(({ context }, { rank, to }: { rank: number; to: RankState }) => ({
      ranks: advance(context.ranks, rank, to),
    })),
    moveTurn: assign(({ context }) => ({ turn: nextTurn(context) })),
    settle: assign((_, params: { end: End; failure: Failure | null }) => params),
    settleExpired: assign(({ context }) => ({
      end: 'expired' as const,
      failure: {
        code: 'deadline_exceeded' as const,
        message: `${completeOf(context)} of ${context.ranks.length} ranks of request ${context.request} were complete within ${context.timeoutMs} ms`,
      },
    })),
  },
  guards: {
    isOpen: ({ context }) => context.end === null,
    allComplete: ({ context }) => completeOf(context) === context.ranks.length,
    turnMoves: ({ context }) => nextTurn(context) !== context.turn,
    isReady: ({ context }) => context.end === 'ready',
  },
  delays: { deadline: ({ context }) => context.timeoutMs },
}).createMachine({
  id: 'group',
  context: ({ input }) => ({
    ...input,
    ranks: input.receivers.map(() => 'absent' as const),
    turn: null,
    end: null,
    failure: null,
    announcedBySender: false,
  }),
  initial: 'open',
  on: { 'group.*': { actions: 'reportUnexpected' } },
  states: {
    /** No rank knows an end yet. */
    open: {
      initial: 'collecting',
      after: {
        deadline: [
          { guard: 'isOpen', target: '.deciding', actions: 'settleExpired' },
          { guard: 'isReady', actions: 'settleExpired' },
        ],
      },
      states: {
        /** At least one rank is not complete. */
        collecting: {
          meta: { waiting: whatIsMissing },
          on: {
            'rank.came': { actions: { type: 'advance', params: ({ event }) => ({ rank: event.rank, to: 'held' }) } },
            'rank.admitted': {
              actions: { type: 'advance', params: ({ event }) => ({ rank: event.rank, to: 'admitted' }) },
            },
            'rank.completed': {
              actions: { type: 'advance', params: ({ event }) => ({ rank: event.rank, to: 'complete' }) },
            },
            'rank.failed': { target: 'deciding', actions: settleAsReported },
            'group.end': { target: 'deciding', actions: settleAsReported },
          },
          always: [
            { guard: 'allComplete', target: 'preparing' },
            {
              guard: 'turnMoves',
              actions: ['moveTurn', { type: 'giveTurn', params: ({ context }) => ({ receiver: context.turn ?? '' }) }],
            },
          ],
        },
        /** Every rank was complete when it reported. It may have died or given up since. */
        preparing: {
          entry: 'prepare',
          meta: { waiting: { gate: 'ranks', text: 'every rank to confirm that it is complete' } },
          on: {
            'ranks.prepared': {
              target: 'deciding',
              actions: { type: 'settle', params: { end: 'ready', failure: null } },
            },
            'rank.failed': { target: 'deciding', actions: settleAsReported },
            'group.end': { target: 'deciding', actions: settleAsReported },
          },
        },
        /** The end is known here. It stands unless the sender has announced another. */
        deciding: {
          entry: 'decide',
          meta: {
            waiting: { gate: 'sender', text: 'the sender of rank 0 to report whether it has announced an end' },
          },
          on: {
            'end.certain': [{ guard: 'isReady', target: '#group.telling' }, { target: '#group.ended' }],
            'end.announced': {
              target: '#group.ended',
              actions: [settleAsReported, assign({ announcedBySender: true })],
            },
            // Without the agreement of the sender, no other end than `failed` is announced.
            'end.refused': {
              target: '#group.ended',
              actions: {
                type: 'settle',
                params: ({ context, event }) => ({
                  end: 'failed',
                  failure: context.end === 'failed' ? context.failure : event.failure,
                }),
              },
            },
            'rank.failed': {
              guard: 'isReady',
              actions: settleAsReported,
            },
            'group.end': [
              {
                guard: 'isReady',
                actions: settleAsReported,
              },
              { actions: 'reportUnexpected' },
            ],
          },
        },
      },
    },

    /** Ready: every rank must serve its pages before the end is announced. */
    telling: {
      entry: 'tellRanks',
      on: { 'ranks.told': 'ready' },
    },
    ready: { type: 'final', entry: 'announce' },
    /** The end is announced at once: the router that waits for it needs nothing from the ranks. */
    ended: { type: 'final', entry: ['announce', 'tellRanks'] },
  },
});

/** The receiver whose turn it is, or that had the last turn. */
function nextTurn({ receivers, ranks, turn }: GroupContext): string | null {
  return turnOf(receivers, ranks) ?? turn;
}

function completeOf({ ranks }: GroupContext): number {
  return ranks.filter((state) => state === 'complete').length;
}

function whatIsMissing(context: GroupContext): Waiting {
  const { ranks, receivers } = context;
  const absent = ranks.filter((state) => state === 'absent').length;
  if (absent > 0) return { gate: 'ranks', text: `${absent} of ${ranks.length} ranks to come` };
  const turn = turnOf(receivers, ranks);
  if (turn !== null) return { gate: 'ranks', text: `${turn} to admit its ranks` };
  return { gate: 'ranks', text: `${ranks.length - completeOf(context)} of ${ranks.length} ranks to be complete` };
}
