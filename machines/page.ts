/**
 * The life of one page of the arena. There are thousands of them, so no actor runs per page: the store asks
 * `nextPageState`, a table read off this machine, which therefore stays the only place that says what a page may do.
 */
import { setup } from 'xstate';

export const pageMachine = setup({
  types: {
    events: {} as
      | { type: 'page.allocated' }
      | { type: 'page.committed' }
      | { type: 'page.abandoned' }
      | { type: 'page.quarantined' }
      | { type: 'page.drained' }
      | { type: 'page.fenced' }
      | { type: 'page.released' },
  },
}).createMachine({
  id: 'page',
  initial: 'free',
  states: {
    free: { on: { 'page.allocated': 'writing' } },
    writing: {
      on: {
        'page.committed': 'ready',
        // Its writer gave up, and the remote key it would have used is already revoked: nothing can land.
        'page.abandoned': 'free',
        // Its writer gave up, but a write may be under way.
        'page.quarantined': 'quarantined',
      },
    },
    ready: { on: { 'page.released': 'free' } },
    quarantined: {
      on: {
        // The writer says that no write can land any more.
        'page.drained': 'free',
        // The remote key is revoked: no write can land, whatever the writer says.
        'page.fenced': 'free',
      },
    },
  },
});

export const pageStates = ['free', 'writing', 'ready', 'quarantined'] as const;
export type PageState = (typeof pageStates)[number];
export type PageEvent = Parameters<typeof pageMachine.transition>[1]['type'];

const table = new Map<string, PageState>(
  pageStates.flatMap((state) =>
    [...(pageMachine.states[state]?.transitions ?? [])].flatMap(([event, [transition]]) =>
      (transition?.target ?? []).map((target) => [`${state} ${event}`, target.key as PageState] as const),
    ),
  ),
);

/** The state that follows, or undefined where the machine forbids the event. */
export function nextPageState(state: PageState, event: PageEvent): PageState | undefined {
  return table.get(`${state} ${event}`);
}
