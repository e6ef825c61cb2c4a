/** What a router knows: requests that were accepted, and every word about their end. */
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
  readonly #waiting = new Map<string, (ending: Ending) => void>();
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
    this.#waiting.get(name)?.(ending);
    this.#waiting.delete(name);
    const entry = this.#accepted.get(name);
    if (entry !== undefined) this.#onEnding(entry, ending);
  }

  /** How it ended, or undefined when nobody has said so in time. */
  async ended(entry: Accepted, timeoutMs: number): Promise<Ending | undefined> {
    const name = nameOf(entry);
    const known = this.#endings.get(name);
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(name);
        resolve(undefined);
      }, timeoutMs);
      this.#waiting.set(name, (ending) => {
        clearTimeout(timer);
        resolve(ending);
      });
    });
  }

  /** Accepted, and nobody has said how they ended. */
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
