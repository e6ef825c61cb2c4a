/**
 * The life of one page of the arena. An arena has thousands of pages, so no actor runs for each. The store asks
 * `nextPageState`, a table that is read from this machine. The machine stays the only place that says what a page may do.
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
        // The writer gave up, and no write can land: its remote key is revoked, its writes have drained, or it has proven that
        // it never took the page.
        'page.abandoned': 'free',
        // The writer gave up, but its write may be under way.
        'page.quarantined': 'quarantined',
      },
    },
    ready: { on: { 'page.released': 'free' } },
    quarantined: {
      on: {
        // The writer reports that all its writes have ended.
        'page.drained': 'free',
        // The remote key is revoked: no write can land, even if the writer reports nothing.
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

/** The state after `event`, or undefined when the machine forbids the event in that state. */
export function nextPageState(state: PageState, event: PageEvent): PageState | undefined {
  return table.get(`${state} ${event}`);
}
