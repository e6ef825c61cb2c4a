/**
 * Digests of states. States with the same possible futures have equal digests. A state shares most of its parts with the state
 * before it, so each part is serialised only once and then represented by a number.
 */
import { createHash } from 'node:crypto';
import type { State } from './state.js';

export class Digests {
  readonly #numberOfText = new Map<string, number>();
  readonly #numberOfPart = new WeakMap<object, number>();

  of(state: State): string {
    const senders = state.senders.map(({ request, transfers, connection, taken, reconnects, again }) => [
      this.#snapshot(request),
      Object.entries(transfers).map(([batch, transfer]) => [batch, this.#snapshot(transfer)]),
      [connection, taken, reconnects, again],
    ]);
    const text = JSON.stringify([
      state.store.number,
      senders,
      state.ingests.map((ingest) => this.#snapshot(ingest)),
      [state.lost, state.struck],
      // The order does not matter, because messages and writes may overtake each other.
      state.messages.map((message) => this.#plain(message)).sort(),
      state.unanswered.map((call) => this.#plain(call)).sort(),
      state.writes.map((write) => this.#plain(write)).sort(),
      [state.unnoticed, state.pending, state.arena, state.announced, state.budget, state.fault],
    ]);
    return createHash('md5').update(text).digest('base64');
  }

  #snapshot(snapshot: { readonly value: unknown; readonly context: unknown } | null): number {
    if (snapshot === null) return -1;
    return this.#number(snapshot, ({ value, context }) => [value, context]);
  }

  #plain(part: object): number {
    return this.#number(part, (its) => its);
  }

  #number<T extends object>(part: T, plain: (part: T) => unknown): number {
    const known = this.#numberOfPart.get(part);
    if (known !== undefined) return known;
    const text = JSON.stringify(plain(part));
    const number = this.#numberOfText.get(text) ?? this.#numberOfText.size;
    this.#numberOfText.set(text, number);
    this.#numberOfPart.set(part, number);
    return number;
  }
}
