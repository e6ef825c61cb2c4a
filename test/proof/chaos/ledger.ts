/** What a router receives: requests that were accepted, and every announcement of their ends. */
import type { TerminalEvent } from '../../../src/protocol/events.js';

export interface Accepted {
  readonly request: string;
  /** Epoch of the sender. */
  readonly epoch: string;
  readonly sender: string;
  readonly receiver: string;
  /** Epoch of the receiver at the time of the put. */
  readonly receiverEpoch: string | undefined;
  readonly deadlineMs: number;
}

export interface Ending {
  readonly event: TerminalEvent;
  readonly heardMs: number;
}

export class Ledger {
  readonly #accepted = new Map<string, Accepted>();
  readonly #endings = new Map<string, Ending>();
  readonly #onEnding: (entry: Accepted, ending: Ending) => void;
  /** Number of second announcements, by both ends with their codes. */
  readonly announcedTwice: Record<string, number> = {};

  constructor(onEnding: (entry: Accepted, ending: Ending) => void) {
    this.#onEnding = onEnding;
  }

  get size(): number {
    return this.#accepted.size;
  }

  accept(entry: Accepted): void {
    this.#accepted.set(nameOf(entry), entry);
  }

  heard(event: TerminalEvent): void {
    const name = nameOf(event);
    const first = this.#endings.get(name)?.event;
    if (first !== undefined) {
      const words = `${first.end} ${first.reason?.code ?? ''}, then ${event.end} ${event.reason?.code ?? ''}`;
      this.announcedTwice[words] = (this.announcedTwice[words] ?? 0) + 1;
      return;
    }
    const ending: Ending = { event, heardMs: performance.now() };
    this.#endings.set(name, ending);
    const entry = this.#accepted.get(name);
    if (entry !== undefined) this.#onEnding(entry, ending);
  }

  /** Accepted, and no end was announced. */
  open(): Accepted[] {
    return [...this.#accepted.values()].filter((entry) => !this.#endings.has(nameOf(entry)));
  }

  /** Ends of accepted requests, by kind. */
  ends(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const name of this.#accepted.keys()) {
      const end = this.#endings.get(name)?.event.end;
      if (end !== undefined) counts[end] = (counts[end] ?? 0) + 1;
    }
    return counts;
  }
}

function nameOf({ request, epoch }: { readonly request: string; readonly epoch: string }): string {
  return `${epoch}/${request}`;
}
