import { describe, expect, test } from 'vitest';
import type { Keys } from '../../../src/cli/keyboard.js';
import type { Sample } from '../../../src/cli/top/sample.js';
import type { Screen } from '../../../src/cli/top/screen.js';
import { watch } from '../../../src/cli/top/watch.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';
import { after, before, sample } from './support.js';

const INTERVAL_MS = 1000;

/** A screen that remembers what was drawn. */
class FakeScreen implements Screen {
  columns = 150;
  rows = 40;
  readonly frames: (readonly string[])[] = [];
  #resized: () => void = () => undefined;

  draw(lines: readonly string[]): void {
    this.frames.push(lines);
  }
  onResize(listener: () => void): void {
    this.#resized = listener;
  }
  close(): void {}

  resize(columns: number): void {
    this.columns = columns;
    this.#resized();
  }
  get last(): readonly string[] {
    return this.frames.at(-1) ?? [];
  }
}

/** Keys that are pressed when a test says so. */
class FakeKeys {
  readonly #pressed: string[] = [];
  #wake: () => void = () => undefined;
  #hasEnded = false;

  press(...keys: readonly string[]): void {
    this.#pressed.push(...keys);
    this.#wake();
  }
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    while (!this.#hasEnded || this.#pressed.length > 0) {
      const key = this.#pressed.shift();
      if (key !== undefined) yield key;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function setUp(samples: readonly (Sample | Error)[] = [before, after]) {
  const clock = new SimulatedClock();
  const screen = new FakeScreen();
  const keys = new FakeKeys();
  const stop = new AbortController();
  let taken = 0;
  const take = async () => {
    const next = samples[Math.min(taken, samples.length - 1)] ?? before;
    taken += 1;
    if (next instanceof Error) throw next;
    return next;
  };
  const options = { take, screen, keys: keys as Keys, clock, address: 'nats://n1', intervalMs: INTERVAL_MS };
  const watching = watch({ ...options, signal: stop.signal });
  return { clock, screen, keys, stop, watching, taken: () => taken };
}

describe('watching', () => {
  test('draws at once, and again after each interval', async () => {
    const { clock, screen, keys, watching, taken } = setUp();
    expect(screen.frames.map(([, line]) => line)).toEqual(['waiting for the first answers of agents']);
    await clock.advance(0);
    expect(screen.last[1]).toBe('2 agents  0 requests  0.00 GB/s  ends/s: 0 ready, 0 failed, 0 cancelled, 0 expired');
    await clock.advance(INTERVAL_MS - 1);
    expect(taken()).toBe(1);
    await clock.advance(1);
    expect(taken()).toBe(2);
    expect(screen.last[1]).toBe(
      '2 agents  2 requests (3 rows)  2.50 GB/s  ends/s: 4.0 ready, 1.0 failed, 0 cancelled, 0 expired',
    );
    keys.press('q');
    await watching;
  });

  test('follows keys without waiting', async () => {
    const { clock, screen, keys, watching } = setUp([after]);
    await clock.advance(0);
    keys.press('2');
    await clock.advance(0);
    expect(screen.last.filter((line) => line.startsWith('REQUEST'))).toEqual([]);
    keys.press('f', 'x');
    await clock.advance(0);
    expect(screen.last.at(-1)).toBe('filter: x_');
    keys.press('escape', 'q');
    await watching;
  });

  test('asks nobody while it is paused', async () => {
    const { clock, screen, keys, watching, taken } = setUp();
    await clock.advance(0);
    keys.press('p');
    await clock.advance(5 * INTERVAL_MS);
    expect([taken(), screen.last[0]]).toEqual([1, 'kvferry top  nats://n1  every 1 s  PAUSED']);
    keys.press('p');
    await clock.advance(INTERVAL_MS);
    expect(taken()).toBe(2);
    keys.press('q');
    await watching;
  });

  test('draws again when the screen changes its size', async () => {
    const { clock, screen, keys, watching } = setUp([after]);
    await clock.advance(0);
    screen.resize(20);
    expect(Math.max(...screen.last.map((line) => line.length))).toBe(20);
    keys.press('q');
    await watching;
  });

  test('ends with a signal, and with its keys', async () => {
    const signalled = setUp();
    signalled.stop.abort();
    await signalled.watching;
    const closed = setUp();
    closed.keys.end();
    await closed.watching;
  });

  test('draws nothing after its end', async () => {
    const { clock, screen, stop, watching } = setUp();
    await clock.advance(0);
    stop.abort();
    await watching;
    const { length } = screen.frames;
    await clock.advance(3 * INTERVAL_MS);
    expect(screen.frames).toHaveLength(length);
  });

  test('ends when no sample can be taken', async () => {
    const { watching } = setUp([new Error('broken')]);
    await expect(watching).rejects.toThrow('broken');
  });

  test('shows that NATS is away', async () => {
    const { clock, screen, keys, watching } = setUp([before, sample(2000, [], false)]);
    await clock.advance(INTERVAL_MS);
    expect(screen.last[0]).toBe('kvferry top  nats://n1  every 1 s  NATS IS DISCONNECTED');
    keys.press('q');
    await watching;
  });
});
