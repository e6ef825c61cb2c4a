/** Lets some log lines of each second pass, and counts the others. What other programs cause must not fill a disk. */

const MS_PER_SECOND = 1000;

export class LineLimit {
  readonly #linesPerSecond: number;
  readonly #sayUnlogged: (lines: number) => void;
  /** When the present second began. */
  #secondMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unlogged = 0;

  /** `sayUnlogged` is called before the first line of a later second, if lines did not pass before. */
  constructor(linesPerSecond: number, sayUnlogged: (lines: number) => void) {
    this.#linesPerSecond = linesPerSecond;
    this.#sayUnlogged = sayUnlogged;
  }

  /** Whether a line of this moment passes. */
  passes(nowMs: number): boolean {
    if (nowMs - this.#secondMs >= MS_PER_SECOND) this.#begin(nowMs);
    const isPassing = this.#lines < this.#linesPerSecond;
    if (isPassing) this.#lines += 1;
    else this.#unlogged += 1;
    return isPassing;
  }

  #begin(nowMs: number): void {
    if (this.#unlogged > 0) this.#sayUnlogged(this.#unlogged);
    this.#secondMs = nowMs;
    this.#lines = 0;
    this.#unlogged = 0;
  }
}
