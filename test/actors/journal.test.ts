/** The journal: one answer looks at a bounded number of entries. */
import { expect, test } from 'vitest';
import { aboutOf, Journal } from '../../src/actors/observing/journal.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';

const OTHERS = 100_000;

test('P30: one request in a large journal → each answer looks at a part of the entries', () => {
  const journal = new Journal(new SimulatedClock(), 200_000);
  journal.message('in', 'put', { request: 'r' });
  for (let entry = 0; entry < OTHERS; entry += 1) journal.message('in', 'put', { request: 'other' });
  journal.message('in', 'cancel', { request: 'r' });

  const first = journal.read({ request: 'r' });
  expect(first).toMatchObject({ entries: [{ n: 0, operation: 'put' }], next: OTHERS, end: OTHERS + 2 });
  const second = journal.read({ request: 'r', from: first.next });
  expect(second).toMatchObject({ entries: [{ n: OTHERS + 1, operation: 'cancel' }], next: OTHERS + 2 });

  let looked = 0;
  const trail = journal.trail(10, 10_000, (event) => {
    looked += 1;
    return aboutOf(event).request === 'r';
  });
  expect([looked, trail]).toMatchObject([OTHERS, [{ operation: 'cancel' }]]);
});

test('P28: entries with long keys and texts → the journal keeps fewer of them', () => {
  const journal = new Journal(new SimulatedClock(), 100);
  const keys = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(512, 'k'));
  for (let entry = 0; entry < 100; entry += 1) journal.store({ action: 'allocated', keys });
  expect(journal.read({}).entries).toHaveLength(1);
  for (let entry = 0; entry < 100; entry += 1) journal.message('in', 'put', { request: 'r' });
  expect(journal.read({}).entries).toHaveLength(100);
});
