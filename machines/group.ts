/**
 * One request over several ranks, at the receiver of rank 0, which leads the ranks. The request is ready when every rank is
 * complete. The first rank that fails ends it on all ranks (P17). Only this machine decides and announces the end. The ingests
 * of the ranks report to it and follow its decision. `src/actors/ranks/group-actor.ts` provides its effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import type { End } from '../src/protocol/subjects.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface GroupInput {
  readonly request: string;
  /** How many ranks there are. */
  readonly size: number;
  readonly timeoutMs: number;
}

export interface GroupContext extends GroupInput {
  /** Ranks that have every byte and wait for the decision. */
  readonly complete: readonly number[];
  readonly end: End | null;
  readonly failure: Failure | null;
  /** The sender of rank 0 has announced the end. */
  readonly announcedBySender: boolean;
}

export type GroupEvent =
  | { type: 'rank.completed'; rank: number }
  /** The rank wants to end like this, or has ended like this. */
  | { type: 'rank.failed'; rank: number; end: 'failed' | 'cancelled' | 'expired'; failure: Failure }
  | { type: 'group.end'; end: 'failed' | 'cancelled'; failure: Failure }
  /** The reports of these ranks may be out of date: they must report again. */
  | { type: 'ranks.doubted'; ranks: readonly number[] }
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
  /** Finds out whether the sender of rank 0 has announced an end, and whether the reports of the ranks still hold. */
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
    countComplete: assign(({ context }, params: { rank: number }) =>
      context.complete.includes(params.rank) ? {} : { complete: [...context.complete, params.rank] },
    ),
    settle: assign((_, params: { end: End; failure: Failure | null }) => params),
    settleExpired: assign(({ context }) => ({
      end: 'expired' as const,
      failure: {
        code: 'deadline_exceeded' as const,
        message: `${context.complete.length} of ${context.size} ranks of request ${context.request} were complete within ${context.timeoutMs} ms`,
      },
    })),
  },
  guards: {
    isOpen: ({ context }) => context.end === null,
    allComplete: ({ context }) => context.complete.length === context.size,
    isReady: ({ context }) => context.end === 'ready',
  },
  delays: { deadline: ({ context }) => context.timeoutMs },
}).createMachine({
  id: 'group',
  context: ({ input }) => ({ ...input, complete: [], end: null, failure: null, announcedBySender: false }),
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
          meta: {
            waiting: ({ complete, size }) => ({
              gate: 'ranks',
              text: `${size - complete.length} of ${size} ranks to be complete`,
            }),
          },
          on: {
            'rank.completed': { actions: { type: 'countComplete', params: ({ event }) => ({ rank: event.rank }) } },
            'rank.failed': {
              target: 'deciding',
              actions: settleAsReported,
            },
            'group.end': {
              target: 'deciding',
              actions: settleAsReported,
            },
          },
          always: {
            guard: 'allComplete',
            target: 'deciding',
            actions: { type: 'settle', params: { end: 'ready', failure: null } },
          },
        },
        /** The end is known here. It stands unless the sender has announced another, or a rank must report again. */
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
            'ranks.doubted': {
              guard: 'isReady',
              target: 'collecting',
              actions: assign({
                complete: ({ context, event }) => context.complete.filter((rank) => !event.ranks.includes(rank)),
                end: null,
              }),
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
