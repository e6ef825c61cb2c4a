/** What the faults of a scenario struck, and when. The account of a request asks which faults touched it. */

/** A fault that acts on some agents, on one request, or on both, for a while. */
export interface Strike {
  readonly fault: string;
  /** All of them must belong to a request that the fault touches. */
  readonly agents: readonly string[];
  /** The only request that the fault touches, if it is about one. */
  readonly request: string | undefined;
  readonly fromMs: number;
  /** Infinite while the fault lasts. */
  untilMs: number;
  /** The fault may end a request that it touches. Any other fault may only delay it. */
  readonly mayEnd: boolean;
}

/** What the account of a request asks about. Any of `holders` may be touched. */
export interface Touched {
  readonly request: string;
  readonly agents: readonly string[];
  readonly fromMs: number;
  readonly untilMs: number;
}

interface StrikeOptions {
  readonly agents?: readonly string[];
  readonly request?: string | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly mayEnd?: boolean;
}

export class Strikes {
  readonly #all: Strike[] = [];
  readonly #byRequest = new Map<string, Strike[]>();

  add(fault: string, { agents = [], request, fromMs, untilMs, mayEnd = false }: StrikeOptions): Strike {
    const strike: Strike = { fault, agents, request, fromMs, untilMs, mayEnd };
    if (request === undefined) this.#all.push(strike);
    else this.#byRequest.set(request, [...(this.#byRequest.get(request) ?? []), strike]);
    return strike;
  }

  /** The faults that touched a request while it lived. */
  on({ request, agents, fromMs, untilMs }: Touched): Strike[] {
    const near = [...this.#all, ...(this.#byRequest.get(request) ?? [])];
    return near.filter(
      (strike) =>
        strike.fromMs <= untilMs && strike.untilMs >= fromMs && strike.agents.every((agent) => agents.includes(agent)),
    );
  }
}
