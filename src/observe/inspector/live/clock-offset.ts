/**
 * How much to add to an agent's clock to have ours. A question and its answer bound it: the answer's time lies between them.
 * The shorter the round trip, the closer; only the last few count, since clocks drift.
 */

const SAMPLES_MAX = 32;

interface Sample {
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

export class ClockOffset {
  readonly #samples: Sample[] = [];
  #offsetMs: number | undefined;

  /** `agentMs` is what the agent's clock said between the two times of ours. */
  add(askedMs: number, agentMs: number, answeredMs: number): void {
    const roundTripMs = answeredMs - askedMs;
    this.#samples.push({ offsetMs: askedMs + roundTripMs / 2 - agentMs, roundTripMs });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const best = this.#samples.reduce((a, b) => (b.roundTripMs <= a.roundTripMs ? b : a));
    this.#offsetMs = best.offsetMs;
  }

  /** A time of the agent's clock, on ours. */
  toOurs(agentMs: number): number {
    return agentMs + (this.#offsetMs ?? 0);
  }
}
