/**
 * The link of one rank to the agent that leads the ranks of its request (P17). It reports the state of the rank at every change
 * and again and again, until the answer has the end of the whole request. A lead that is dead, or refuses the rank, is given up:
 * the rank then ends without it. Before that, it appeals to the sender of rank 0, which announces the end that the lead cannot
 * announce. A rank that was prepared has promised to wait for the end: until its deadline it gives up only a lead that is proven
 * dead. After it has given up, the link still reports until the deadline, and for a while at least: the lead may only be away, and must
 * not wait for this rank. Or another process has its name by then. That one announces that the request has failed, also when the
 * sender of rank 0 is dead. `src/actors/ranks/rank-link.ts` provides its effects.
 */
import { assign, setup } from 'xstate';
import type { Failure } from '../src/protocol/fields.js';
import type { End } from '../src/protocol/subjects.js';
import { effect } from './effect.js';
import type { StateMeta } from './waiting.js';

export interface RankInput {
  /** Time until the deadline of the rank. */
  readonly timeoutMs: number;
  readonly intervalMs: number;
  /** How long at least the rank reports after it has given the lead up. */
  readonly searchMs: number;
  /** False at the sender of rank 0: no other agent announces the end in place of the lead. */
  readonly appeals: boolean;
}

/** What the rank reports. `complete`: it has every byte. The last three: the end that the rank asks for. */
export interface RankStatus {
  readonly state: 'held' | 'running' | 'complete' | 'failed' | 'cancelled' | 'expired';
  readonly reason: Failure | null;
}

export interface RankContext extends RankInput {
  readonly status: RankStatus;
  /** The rank has confirmed to the lead that it is complete. */
  readonly prepared: boolean;
  /** The deadline of the rank has passed. */
  readonly late: boolean;
  /** Why the lead was declared dead, and whether there is a proof. */
  readonly loss: Failure | null;
  readonly proven: boolean;
  /** Reports that are on their way. */
  readonly asking: number;
  /** The lead was given up some time ago. */
  readonly sought: boolean;
}

export type RankEvent =
  | ({ type: 'rank.changed' } & RankStatus)
  /** The lead asked, and the rank has confirmed that it is complete. */
  | { type: 'rank.prepared' }
  | { type: 'rank.close' }
  /** A report was answered, or will not be. */
  | { type: 'report.ended' }
  /** The ranks of this agent whose senders have these epochs may be admitted now. */
  | { type: 'turn.given'; epochs: readonly string[] }
  /** The lead reports the end of the whole request. */
  | { type: 'end.decided'; end: End; failure: Failure | null }
  | { type: 'lead.refused'; failure: Failure }
  /** `proven`: the lead has left, or another process serves its name. Otherwise it is only silent. */
  | { type: 'lead.lost'; failure: Failure; proven: boolean }
  /** The sender of rank 0 sees to the end of the request, or cannot be reached. */
  | { type: 'appeal.ended' };

const giveUp = [
  'failWithLead',
  {
    type: 'giveUp',
    params: ({ context: { loss, proven } }: { context: RankContext }) => ({ failure: loss as Failure, proven }),
  },
] as const;

const change = { type: 'change', params: ({ event }: { event: RankStatus }) => event } as const;
const deliver = {
  type: 'deliver',
  params: ({ event: { end, failure } }: { event: { end: End; failure: Failure | null } }) => ({ end, failure }),
} as const;
const ask = ['countAsked', 'report'] as const;
/** The next report replaces one that is lost. One that is on its way is repeated by the call itself. */
const askAgain = <State extends string>(state: State) =>
  [
    { guard: 'isAsking', target: state, reenter: true },
    { target: state, reenter: true, actions: ask },
  ] as const;

/** What the machine asks its owner to do. */
const effects = {
  /** Reports the state of the rank to the lead. */
  report: effect(),
  takeTurn: effect<{ epochs: readonly string[] }>(),
  deliver: effect<{ end: End; failure: Failure | null }>(),
  /** Asks the sender of rank 0 to announce the end that the lead cannot announce. Sends `appeal.ended`, or `end.decided`. */
  appeal: effect(),
  /** There will be no decision of the lead. `proven`: it announces nothing any more. */
  giveUp: effect<{ failure: Failure; proven: boolean }>(),
  reportUnexpected: effect(),
};

export type RankEffects = typeof effects;

export const rankMachine = setup({
  types: {
    input: {} as RankInput,
    context: {} as RankContext,
    events: {} as RankEvent,
    meta: {} as StateMeta<RankContext>,
  },
  actions: {
    ...effects,
    change: assign((_, { state, reason }: RankStatus) => ({ status: { state, reason } })),
    countAsked: assign({ asking: ({ context }) => context.asking + 1 }),
    countEnded: assign({ asking: ({ context }) => context.asking - 1 }),
    /** The lead must not wait for a rank that has given it up. Without the lead, the request ends as failed and in no other way. */
    failWithLead: assign(({ context: { status, loss } }) =>
      status.state === 'failed' ? {} : { status: { state: 'failed' as const, reason: loss } },
    ),
  },
  guards: {
    isAsking: ({ context }) => context.asking > 0,
    isDone: ({ context: { late, sought } }) => late && sought,
    mayGiveUp: ({ context }) => mayGiveUp(context),
    mayAppeal: ({ context }) => context.appeals && mayGiveUp(context),
  },
  delays: {
    interval: ({ context }) => context.intervalMs,
    deadline: ({ context }) => context.timeoutMs,
    search: ({ context }) => context.searchMs,
  },
}).createMachine({
  id: 'rank',
  context: ({ input }) => ({
    ...input,
    status: { state: 'running', reason: null },
    prepared: false,
    late: false,
    loss: null,
    proven: false,
    asking: 0,
    sought: false,
  }),
  initial: 'idle',
  on: { 'rank.*': { actions: 'reportUnexpected' }, 'rank.close': '.closed' },
  states: {
    /** Nothing is reported before the first change. */
    idle: {
      on: {
        'rank.changed': { target: 'live', actions: [change, ...ask] },
        'end.decided': { target: 'closed', actions: deliver },
      },
      after: { deadline: 'closed' },
    },

    live: {
      initial: 'following',
      on: { 'report.ended': { actions: 'countEnded' } },
      after: { deadline: { actions: assign({ late: true }) } },
      states: {
        /** The rank waits for the decision of the lead. */
        following: {
          meta: { waiting: { gate: 'ranks', text: '{peer} to decide how the whole request ends' } },
          on: {
            'rank.changed': { actions: [change, ...ask] },
            'rank.prepared': { actions: assign({ prepared: true }) },
            'turn.given': { actions: { type: 'takeTurn', params: ({ event }) => ({ epochs: event.epochs }) } },
            'end.decided': { target: '#rank.closed', actions: deliver },
            // A lead that refuses the rank lives, and announces no end of its request.
            'lead.refused': { actions: assign({ loss: ({ event }) => event.failure, proven: true }) },
            'lead.lost': {
              actions: assign({ loss: ({ event }) => event.failure, proven: ({ event }) => event.proven }),
            },
          },
          always: [
            { guard: 'mayAppeal', target: 'appealing' },
            { guard: 'mayGiveUp', target: 'alone', actions: giveUp },
          ],
          after: { interval: askAgain('following') },
        },
        /** There will be no decision of the lead. The sender of rank 0 can announce the end, or knows it. */
        appealing: {
          entry: 'appeal',
          meta: { waiting: { gate: 'ranks', text: 'the sender of rank 0 to take over from {peer}' } },
          on: {
            'rank.changed': { actions: change },
            'end.decided': { target: 'alone', actions: ['failWithLead', deliver] },
            'appeal.ended': { target: 'alone', actions: giveUp },
          },
        },
        /** The rank has given the lead up, and ends without it. It reports to the process that has the name of the lead. */
        alone: {
          always: { guard: 'isDone', target: '#rank.closed' },
          on: {
            'end.decided': '#rank.closed',
            'lead.refused': '#rank.closed',
          },
          after: { search: { actions: assign({ sought: true }) } },
          initial: 'reporting',
          states: { reporting: { after: { interval: askAgain('reporting') } } },
        },
      },
    },

    closed: { type: 'final' },
  },
});

function mayGiveUp({ loss, proven, prepared, late }: RankContext): boolean {
  return loss !== null && (proven || !prepared || late);
}
