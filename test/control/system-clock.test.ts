/** The system's clock: timers that are due together do not stop the event loop. */
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { SystemClock } from '../../src/control/system-clock.js';

/** Longer than the timers of one turn may take. */
const LONG_MS = 10;

function work(): void {
  for (const startMs = performance.now(); performance.now() - startMs < LONG_MS; );
}

/** Runs three long timers that are due together, and returns what happened in each turn. */
async function turnsOf(clock: SystemClock): Promise<number[][]> {
  const turns: number[][] = [[]];
  const turn = () => {
    turns.push([]);
    setImmediate(turn);
  };
  await new Promise<void>((resolve) => {
    for (const number of [0, 1, 2]) {
      clock.setTimeout(() => {
        if (number === 0) setImmediate(turn);
        turns.at(-1)?.push(number);
        work();
        if (number === 2) resolve();
      }, 0);
    }
    // All of them are due when the first is.
    work();
  });
  return turns.filter((numbers) => numbers.length > 0);
}

test('P30: long timers that are due together → each runs in a turn of its own', async () => {
  expect(await turnsOf(new SystemClock())).toEqual([[0], [1], [2]]);
});

test('a timer that waits for a later turn is cleared → it does not run', async () => {
  const clock = new SystemClock();
  const ran: string[] = [];
  await new Promise<void>((resolve) => {
    clock.setTimeout(() => {
      ran.push('first');
      work();
    }, 0);
    const second = clock.setTimeout(() => ran.push('second'), 0);
    clock.setTimeout(() => {
      ran.push('third');
      resolve();
    }, 0);
    work();
    setImmediate(() => clock.clearTimeout(second));
  });
  expect(ran).toEqual(['first', 'third']);
});
