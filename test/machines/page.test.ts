/** What a page may do; the table that the store uses is read off the machine. */
import { describe, expect, test } from 'vitest';
import { initialTransition, transition } from 'xstate';
import { nextPageState, type PageEvent, type PageState, pageMachine, pageStates } from '../../machines/page.js';

const events: PageEvent[] = [
  'page.allocated',
  'page.committed',
  'page.abandoned',
  'page.quarantined',
  'page.drained',
  'page.fenced',
  'page.released',
];

/** Every step that is allowed. */
const steps: Record<PageState, Partial<Record<PageEvent, PageState>>> = {
  free: { 'page.allocated': 'writing' },
  writing: { 'page.committed': 'ready', 'page.abandoned': 'free', 'page.quarantined': 'quarantined' },
  ready: { 'page.released': 'free' },
  quarantined: { 'page.drained': 'free', 'page.fenced': 'free' },
};

describe('the steps of a page', () => {
  test('the machine has the states and the events of the table, and begins free', () => {
    expect(Object.keys(pageMachine.states).sort()).toEqual([...pageStates].sort());
    expect([...pageMachine.events].sort()).toEqual([...events].sort());
    expect(initialTransition(pageMachine)[0].value).toBe('free');
  });

  for (const state of pageStates) {
    for (const event of events) {
      const next = steps[state][event];
      test(`P1: P5: ${state}, ${event}: ${next ?? 'forbidden'}`, () => {
        expect(nextPageState(state, event)).toBe(next);
        const snapshot = pageMachine.resolveState({ value: state });
        expect(transition(pageMachine, snapshot, { type: event })[0].value).toBe(next ?? state);
      });
    }
  }

  test('P1: only its commit makes a page ready', () => {
    const ways = pageStates.flatMap((state) => events.filter((event) => nextPageState(state, event) === 'ready'));
    expect(ways).toEqual(['page.committed']);
  });

  test('P5: only drained and fenced lead out of the quarantine', () => {
    const ways = events.filter((event) => nextPageState('quarantined', event) !== undefined);
    expect(ways).toEqual(['page.drained', 'page.fenced']);
  });
});
