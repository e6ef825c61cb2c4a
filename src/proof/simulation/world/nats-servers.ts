/**
 * The NATS servers of a simulated cluster. Each participant is connected to one of them. A server can stand still with its
 * connections open, the route between the servers can be reset, and two agents can be severed.
 */
import type { MemoryControlNetwork } from '../memory-control.js';

type Pair = readonly [string, string];

export class NatsServers {
  /** Undefined: no fault of a server affects the participant. */
  readonly #serverOf: (participant: string) => number | undefined;
  /** Between these pairs, no interest is known. */
  readonly #severed = new Set<Pair>();
  #routesDown = 0;
  /** What waits for each server that stands still, in order. */
  readonly #frozen = new Map<number, (() => void)[]>();

  constructor(network: MemoryControlNetwork, serverOf: (participant: string) => number | undefined) {
    this.#serverOf = serverOf;
    network.interest = (from, to) => this.#isInterestKnown(from, to);
    network.gate = (participant, pass) => this.#gate(participant, pass);
  }

  /** Returns the function that ends the fault, as the methods below do. */
  sever(one: string, other: string): () => void {
    const pair: Pair = [one, other];
    this.#severed.add(pair);
    return () => this.#severed.delete(pair);
  }

  resetRoute(): () => void {
    this.#routesDown += 1;
    return () => {
      this.#routesDown -= 1;
    };
  }

  /** Nothing passes, and no participant is notified. What waits passes afterwards, all at once and in order. */
  freeze(server: number): () => void {
    if (this.#frozen.has(server)) return () => undefined;
    this.#frozen.set(server, []);
    return () => {
      const waiting = this.#frozen.get(server) ?? [];
      this.#frozen.delete(server);
      for (const pass of waiting) pass();
    };
  }

  #isInterestKnown(from: string, to: string): boolean {
    if (from === to) return true;
    for (const pair of this.#severed) if (pair.includes(from) && pair.includes(to)) return false;
    if (this.#routesDown === 0) return true;
    const [one, other] = [this.#serverOf(from), this.#serverOf(to)];
    return one === undefined || other === undefined || one === other;
  }

  #gate(participant: string, pass: () => void): void {
    const server = this.#serverOf(participant);
    const waiting = server === undefined ? undefined : this.#frozen.get(server);
    if (waiting === undefined) pass();
    else waiting.push(pass);
  }
}
