/** Measures turns of the event loop in CPU time: other programs on the machine do not lengthen them. */
const US_PER_MS = 1000;

export class Stopwatch {
  #longestMs = 0;

  /** The longest turn so far. */
  get longestMs(): number {
    return this.#longestMs;
  }

  /** Runs `turn` and everything that it leads to before its promise resolves. */
  async time<T>(turn: () => T): Promise<Awaited<T>> {
    const start = process.cpuUsage();
    const result = await turn();
    const { user, system } = process.cpuUsage(start);
    this.#longestMs = Math.max(this.#longestMs, (user + system) / US_PER_MS);
    return result;
  }
}
