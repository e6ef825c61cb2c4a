/**
 * Measures turns of the event loop. On a machine with other work, time passes while the thread does not run. The CPU time of
 * the process also counts its helper threads, which compile code and collect garbage. The CPU time of the thread is no longer
 * than either, so the shorter one counts.
 * A measurement begins without the garbage of what was prepared for it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const US_PER_MS = 1000;

export class Stopwatch {
  #longestMs = 0;

  constructor() {
    collectGarbage();
  }

  /** The longest turn so far. */
  get longestMs(): number {
    return this.#longestMs;
  }

  /** Runs `turn` and everything that it leads to before its promise resolves. */
  async time<T>(turn: () => T): Promise<Awaited<T>> {
    const startMs = performance.now();
    const start = process.cpuUsage();
    const result = await turn();
    const { user, system } = process.cpuUsage(start);
    const tookMs = Math.min(performance.now() - startMs, (user + system) / US_PER_MS);
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    return result;
  }
}
