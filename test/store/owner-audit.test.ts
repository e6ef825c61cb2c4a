/** The audit of owners finds what must never occur, a few pages at a time. The tests break a store by hand. */
import { expect, test } from 'vitest';
import { OwnerAudit } from '../../src/store/owner-audit.js';
import type { Place } from '../../src/store/records.js';
import { StoreState } from '../../src/store/state.js';
import { defaults } from './support.js';

/** A store in which request `r` writes the keys `k0` and `k1` to pages 0 and 1 of 4. */
function writing() {
  const state = new StoreState(defaults, () => undefined);
  const holder = state.addHolder({ request: 'r', epoch: 'e' }, 'arriving', 2);
  const entries = ['k0', 'k1'].map((key) => state.contents.add(key, 1, holder, 'g').entry);
  for (const entry of entries) state.contents.lease(holder, entry);
  return { state, k1: entries[1] as (typeof entries)[number], audit: new OwnerAudit(state) };
}

/** What as many steps of one page or key find as a round takes. */
function round(audit: OwnerAudit): (string | undefined)[] {
  return Array.from({ length: 7 }, () => audit.step(1)).filter((broken) => broken !== undefined);
}

test('P30: nothing is broken → no step of a round finds anything', () => {
  const { audit } = writing();
  expect(round(audit)).toEqual([]);
});

test('P30: a key is ready, its page is not → the step of that page finds it', () => {
  const { audit, k1 } = writing();
  k1.ready = true;
  expect(round(audit)).toContain('page 1 of key k1 is writing, not ready');
});

test('P30: two keys have one page → the round finds it', () => {
  const { audit, state, k1 } = writing();
  state.contents.orphan(k1);
  state.pages.free(1, 'page.abandoned');
  k1.place = state.contents.get('k0')?.place as Place;
  expect(round(audit)).toEqual(['page 0 belongs to key k0 and to key k1']);
});

test('P30: a page with an owner is in the quarantine → the step of that page finds it', () => {
  const { audit, state } = writing();
  state.quarantine.add(1, 'e/r', 'g', 0);
  expect(round(audit)).toContain('page 1 is in the quarantine and belongs to key k1');
});

test('P30: a page is in use and belongs to no key → the step of that page finds it', () => {
  const { audit, state } = writing();
  state.pages.allocate();
  expect(round(audit)).toContain('page 2 is writing and has no owner');
});

test('P30: a page changes while a round is under way → nothing is reported', () => {
  const { audit, state } = writing();
  audit.step(1);
  state.pages.commit(0);
  const k0 = state.contents.get('k0');
  if (k0 !== undefined) state.contents.arrived(k0);
  expect(round(audit)).toEqual([]);
});
