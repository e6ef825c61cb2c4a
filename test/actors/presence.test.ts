import { expect, test } from 'vitest';
import { Presence } from '../../src/actors/env/presence.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';

const HEARTBEAT_MS = 1000;

test('P12: just after an absence, a message may be from before it', async () => {
  const clock = new SimulatedClock();
  const presence = new Presence(clock, new MemoryControlNetwork(clock).connect('a'), HEARTBEAT_MS);
  expect([presence.absences, presence.absencesBefore]).toEqual([0, 0]);
  await clock.advance(1.5 * HEARTBEAT_MS + 1);
  expect([presence.absences, presence.absencesBefore]).toEqual([1, 0]);
  await clock.advance(HEARTBEAT_MS - 1);
  presence.beat();
  expect(presence.absencesBefore).toBe(0);
  await clock.advance(1);
  expect([presence.absences, presence.absencesBefore]).toEqual([1, 1]);
});
