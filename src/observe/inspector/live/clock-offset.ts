/**
 * The difference between this clock and an agent's clock. The agent reads its clock between a request and its answer, which
 * bounds the difference. A short round trip gives a tight bound. Only the last few count, because clocks drift.
 */

const SAMPLES_MAX = 32;

interface Sample {
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

export class ClockOffset {
  readonly #samples: Sample[] = [];
  #offsetMs: number | undefined;

  /** `agentMs`: the agent's clock at a time between the two times of this clock. */
  add(askedMs: number, agentMs: number, answeredMs: number): void {
    const roundTripMs = answeredMs - askedMs;
    this.#samples.push({ offsetMs: askedMs + roundTripMs / 2 - agentMs, roundTripMs });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const best = this.#samples.reduce((a, b) => (b.roundTripMs <= a.roundTripMs ? b : a));
    this.#offsetMs = best.offsetMs;
  }

  /** Converts a time of the agent's clock to this clock. */
  toOurs(agentMs: number): number {
    return agentMs + (this.#offsetMs ?? 0);
  }
}
