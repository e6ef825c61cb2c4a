/**
 * One request over several ranks, at the decode agent of rank 0, which leads it: ready when every rank is, and ended on
 * all by the first that is not (P17). It alone decides and announces the end; the ranks' own ingests report to it and
 * keep to its word. Effects are provided by `src/actors/ranks/group-actor.ts`.
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
  /** Ranks that have every byte, and wait for the word. */
  readonly complete: readonly number[];
  readonly end: End | null;
  readonly failure: Failure | null;
  /** The sender of rank 0 has announced the end. */
  readonly announcedBySender: boolean;
}

export type GroupEvent =
  | { type: 'rank.completed'; rank: number }
  /** It wants to end like this, or has. */
  | { type: 'rank.failed'; rank: number; end: 'failed' | 'cancelled' | 'expired'; failure: Failure }
  | { type: 'group.end'; end: 'failed' | 'cancelled'; failure: Failure }
  /** What these have said may be out of date: they are to say it again. */
  | { type: 'ranks.doubted'; ranks: readonly number[] }
  /** Every rank that can be reached has the word. */
  | { type: 'ranks.told' }
  /** Nobody else has announced an end. */
  | { type: 'end.certain' }
  /** The sender of rank 0 held us for lost, and has announced this end. */
  | { type: 'end.announced'; end: End; failure: Failure | null };

/** The end that the event brings. */
const settleAsSaid = {
  type: 'settle',
  params: ({ event: { end, failure } }: { event: { end: End; failure: Failure | null } }) => ({ end, failure }),
} as const;

/** What the machine asks its owner to do. */
const effects = {
  /** Find out whether the sender of rank 0 has announced an end, and whether what the ranks said still holds. */
  decide: effect(),
  /** Tell every rank how the request ended. */
  tellRanks: effect(),
  /** Publish the terminal event, unless it was the sender that announced the end. */
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
    /** Nobody has been told an end. */
    open: {
      initial: 'collecting',
      after: {
        deadline: [
          { guard: 'isOpen', target: '.deciding', actions: 'settleExpired' },
          { guard: 'isReady', actions: 'settleExpired' },
        ],
      },
      states: {
        /** Some rank is not complete. */
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
              actions: settleAsSaid,
            },
            'group.end': {
              target: 'deciding',
              actions: settleAsSaid,
            },
          },
          always: {
            guard: 'allComplete',
            target: 'deciding',
            actions: { type: 'settle', params: { end: 'ready', failure: null } },
          },
        },
        /** How it ends here is known. Has somebody else announced another end; do the ranks still say so? */
        deciding: {
          entry: 'decide',
          meta: {
            waiting: { gate: 'sender', text: 'the word of the sender of rank 0 whether it has announced an end' },
          },
          on: {
            'end.certain': [{ guard: 'isReady', target: '#group.telling' }, { target: '#group.ended' }],
            'end.announced': {
              target: '#group.ended',
              actions: [settleAsSaid, assign({ announcedBySender: true })],
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
              actions: settleAsSaid,
            },
            'group.end': [
              {
                guard: 'isReady',
                actions: settleAsSaid,
              },
              { actions: 'reportUnexpected' },
            ],
          },
        },
      },
    },

    /** Ready: every rank shall serve its pages before anybody hears of it. */
    telling: {
      entry: 'tellRanks',
      on: { 'ranks.told': 'ready' },
    },
    ready: { type: 'final', entry: 'announce' },
    /** It is announced at once, since whoever waits for it has nothing else to wait for. */
    ended: { type: 'final', entry: ['announce', 'tellRanks'] },
  },
});
