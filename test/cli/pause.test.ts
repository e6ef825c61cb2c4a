import { expect, test } from 'vitest';
import { pause } from '../../src/cli/pause.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';

/** Counts the listeners of a signal, as Node's warning about leaks does. */
class CountedSignal extends EventTarget {
  listeners = 0;
  aborted = false;
  reason: unknown;
  onabort = null;

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.listeners += 1;
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listeners -= 1;
    super.removeEventListener(...args);
  }

  throwIfAborted(): void {
    if (this.aborted) throw new Error('aborted');
  }
}

test('a pause that has ended → no listener stays on the signal', async () => {
  const clock = new SimulatedClock();
  const signal = new CountedSignal();
  for (let round = 0; round < 20; round += 1) {
    const paused = pause(clock, 1000, signal as AbortSignal);
    await clock.advance(1000);
    await paused;
  }
  expect(signal.listeners).toBe(0);
});

test('an aborted signal → the pause ends at once, and its timer is gone', async () => {
  const clock = new SimulatedClock();
  const controller = new AbortController();
  const paused = pause(clock, 1000, controller.signal);
  controller.abort();
  await paused;
  await pause(clock, 1000, controller.signal);
  expect(clock.now()).toBe(0);
});
