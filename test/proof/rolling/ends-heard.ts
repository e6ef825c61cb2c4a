/** Every announcement of an end. A request has one: a prompt that is tried again has another request id. */
import type { TerminalEvent } from '../../../src/protocol/events.js';

export class EndsHeard {
  /** By request id: its ends, each with the process that had accepted the request. */
  readonly #ends = new Map<string, Set<string>>();

  /** Several observers may receive the same announcement, and both agents may announce the same end. */
  heard({ request, epoch, end }: Pick<TerminalEvent, 'request' | 'epoch' | 'end'>): void {
    const ends = this.#ends.get(request) ?? new Set();
    this.#ends.set(request, ends.add(`${end} (epoch ${epoch})`));
  }

  /** Requests with two different ends, or that two processes have executed. */
  get twoEnds(): string[] {
    return [...this.#ends].flatMap(([request, ends]) =>
      ends.size > 1 ? [`${request} has two ends: ${[...ends].join(', ')}`] : [],
    );
  }
}
