/**
 * Samples requests, so that inspection stays cheap: all entries of one request in `oneIn` are fetched. `oneIn` is a power of
 * two. It rises at once and falls slowly.
 */

/** Entries fetched per second, of all agents together. */
const ENTRIES_PER_S_MAX = 3000;
/** Below this rate for some seconds, twice as many requests are sampled. */
const ENTRIES_PER_S_LOW = 1000;
const LOW_SECONDS = 5;
const ONE_IN_MAX = 65_536;
const SECOND_MS = 1000;
/** Time for a decision to take effect before the next one. */
const PAUSE_MS = 400;

export class Sampling {
  #oneIn = 1;
  #entries = 0;
  #lowSeconds = 0;
  #secondEndsMs: number;
  #raisedMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: number) {
    this.#secondEndsMs = nowMs + SECOND_MS;
  }

  get oneIn(): number {
    return this.#oneIn;
  }

  /** Counts new entries. */
  fetched(entries: number): void {
    this.#entries += entries;
  }

  /** Call it several times a second. `isBehind`: entries come faster than they are fetched. Returns true if `oneIn` rose. */
  decide(nowMs: number, isBehind: boolean): boolean {
    const isTooMuch = this.#entries > ENTRIES_PER_S_MAX;
    if (nowMs >= this.#secondEndsMs) this.#endSecond(nowMs);
    if (!(isTooMuch || isBehind) || nowMs < this.#raisedMs + PAUSE_MS || this.#oneIn === ONE_IN_MAX) return false;
    this.#oneIn *= 2;
    this.#raisedMs = nowMs;
    this.#lowSeconds = 0;
    this.#begin(nowMs);
    return true;
  }

  /** Starts a new second. */
  #begin(nowMs: number): void {
    this.#entries = 0;
    this.#secondEndsMs = nowMs + SECOND_MS;
  }

  #endSecond(nowMs: number): void {
    this.#lowSeconds = this.#entries < ENTRIES_PER_S_LOW ? this.#lowSeconds + 1 : 0;
    this.#begin(nowMs);
    if (this.#lowSeconds < LOW_SECONDS || this.#oneIn === 1) return;
    this.#oneIn /= 2;
    this.#lowSeconds = 0;
  }
}
