/** Samples and draws, until a key or `signal` ends it. */
import type { ClockPort } from '../../ports/clock.js';
import type { Keys } from '../keyboard.js';
import { pause } from '../pause.js';
import { frame } from './frame.js';
import { type Measure, measure } from './measure.js';
import type { Sample } from './sample.js';
import type { Screen } from './screen.js';
import { firstView, press, type View } from './view.js';

export interface WatchOptions {
  readonly take: () => Promise<Sample>;
  readonly screen: Screen;
  readonly keys: Keys;
  readonly clock: ClockPort;
  readonly address: string;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Rejects when a sample fails. */
export async function watch(options: WatchOptions): Promise<void> {
  const { take, screen, keys, clock, address, intervalMs, signal } = options;
  const ending = new AbortController();
  const ended = new Promise<void>((resolve) =>
    ending.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const end = () => ending.abort();
  let view: View = firstView;
  let sample: Sample | undefined;
  let measured: Measure | undefined;
  const draw = () => {
    screen.draw(frame(measured, view, { address, intervalMs, columns: screen.columns, rows: screen.rows }));
  };

  const followKeys = async () => {
    for await (const key of keys) {
      const next = press(view, key);
      if (next === 'quit') break;
      view = next;
      draw();
    }
    end();
  };
  const sampleOn = async () => {
    while (!ending.signal.aborted) {
      const startMs = clock.now();
      if (!view.isPaused) {
        const taken = await take();
        if (ending.signal.aborted) return;
        measured = measure(sample, taken);
        sample = taken;
        draw();
      }
      await pause(clock, startMs + intervalMs - clock.now(), ending.signal);
    }
  };

  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  screen.onResize(draw);
  draw();
  try {
    await Promise.race([ended, sampleOn(), followKeys()]);
  } finally {
    end();
    signal.removeEventListener('abort', end);
  }
}
