import { expect, test } from 'vitest';
import { MortalClock } from '../../../src/proof/simulation/mortal-clock.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';

function clocks(): {
  outer: SimulatedClock;
  clock: MortalClock;
  fired: string[];
  timer: (name: string, ms: number) => unknown;
} {
  const outer = new SimulatedClock();
  const clock = new MortalClock(outer);
  const fired: string[] = [];
  const timer = (name: string, ms: number) => clock.setTimeout(() => fired.push(`${name} at ${clock.now()}`), ms);
  return { outer, clock, fired, timer };
}

test('a stopped process → its timers fire when it continues, its time has passed', async () => {
  const { outer, clock, fired, timer } = clocks();
  timer('a', 100);
  timer('b', 400);
  clock.stop();
  await outer.advance(300);
  expect({ fired, now: clock.now() }).toEqual({ fired: [], now: 300 });
  clock.resume();
  await outer.advance(200);
  expect(fired).toEqual(['a at 300', 'b at 400']);
});

test('a paused machine → its clock stands still, its timers wait as much longer', async () => {
  const { outer, clock, fired, timer } = clocks();
  timer('a', 100);
  await outer.advance(40);
  clock.pause();
  await outer.advance(1000);
  expect({ fired, now: clock.now() }).toEqual({ fired: [], now: 40 });
  clock.resume();
  await outer.advance(59);
  expect(fired).toEqual([]);
  await outer.advance(1);
  expect(fired).toEqual(['a at 100']);
});

test('a clock that steps forward → timers that it passes fire at once', async () => {
  const { outer, clock, fired, timer } = clocks();
  timer('a', 100);
  timer('b', 600);
  clock.step(500);
  await outer.advance(0);
  expect({ fired, now: clock.now() }).toEqual({ fired: ['a at 500'], now: 500 });
  await outer.advance(100);
  expect(fired).toEqual(['a at 500', 'b at 600']);
});

test('a dead process → no timer fires, cleared timers neither', async () => {
  const { outer, clock, fired, timer } = clocks();
  const cleared = timer('a', 100);
  clock.stop();
  await outer.advance(200);
  clock.clearTimeout(cleared);
  clock.resume();
  timer('b', 100);
  clock.die();
  await outer.advance(200);
  expect({ fired, count: clock.fired }).toEqual({ fired: [], count: 0 });
});
