/** What a router receives: requests that were accepted, and every announcement of their ends. */
import type { TerminalEvent } from '../../../src/protocol/events.js';

/** An observer may receive an announcement this long after its agent has died, when NATS was disturbed. */
const OBSERVED_LATE_MS = 2500;

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

/** One announcement. Several observers receive it. */
interface Announcement {
  readonly agent: string;
  readonly event: TerminalEvent;
  readonly heardMs: number;
}

interface LedgerListener {
  ended(entry: Accepted, ending: Ending): void;
  /** Whether that agent died between the two times. */
  diedBetween(agent: string, fromMs: number, untilMs: number): boolean;
}

export class Ledger {
  readonly #accepted = new Map<string, Accepted>();
  readonly #announced = new Map<string, Announcement[]>();
  readonly #listener: LedgerListener;
  /** Number of second announcements, by both ends with their codes. */
  readonly announcedTwice: Record<string, number> = {};
  /** Requests with two different ends, although the agent that announced first lived on. */
  readonly twoEnds: string[] = [];

  constructor(listener: LedgerListener) {
    this.#listener = listener;
  }

  get size(): number {
    return this.#accepted.size;
  }

  accept(entry: Accepted): void {
    this.#accepted.set(nameOf(entry), entry);
  }

  /** An observer has received an announcement of `agent`. */
  heard(agent: string, event: TerminalEvent): void {
    const name = nameOf(event);
    const before = this.#announced.get(name) ?? [];
    // One life of an agent announces an end once, and every observer receives it.
    if (before.some((other) => other.agent === agent && isSame(other.event, event))) return;
    const announcement = { agent, event, heardMs: performance.now() };
    this.#announced.set(name, [...before, announcement]);
    const [first] = before;
    if (first !== undefined) {
      this.#heardAgain(name, first, announcement);
      return;
    }
    const entry = this.#accepted.get(name);
    if (entry !== undefined) this.#listener.ended(entry, announcement);
  }

  /** Accepted, and no end was announced. */
  open(): Accepted[] {
    return [...this.#accepted.values()].filter((entry) => !this.#announced.has(nameOf(entry)));
  }

  /** Ends of accepted requests, by kind. */
  ends(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const name of this.#accepted.keys()) {
      const end = this.#announced.get(name)?.[0]?.event.end;
      if (end !== undefined) counts[end] = (counts[end] ?? 0) + 1;
    }
    return counts;
  }

  #heardAgain(name: string, first: Announcement, second: Announcement): void {
    const words = `${wordsOf(first)}, then ${wordsOf(second)}`;
    this.announcedTwice[words] = (this.announcedTwice[words] ?? 0) + 1;
    if (first.event.end === second.event.end) return;
    // The first agent died before the other one could learn of its announcement: the only way to two different ends.
    if (this.#listener.diedBetween(first.agent, first.heardMs - OBSERVED_LATE_MS, second.heardMs)) return;
    this.twoEnds.push(
      `${name} was announced ${first.agent}: ${wordsOf(first)}, then ${second.agent}: ${wordsOf(second)}`,
    );
  }
}

function wordsOf({ event }: Announcement): string {
  return `${event.end} ${event.reason?.code ?? ''}`;
}

function isSame(one: TerminalEvent, other: TerminalEvent): boolean {
  return one.end === other.end && one.ageMs === other.ageMs && one.reason?.message === other.reason?.message;
}

function nameOf({ request, epoch }: { readonly request: string; readonly epoch: string }): string {
  return `${epoch}/${request}`;
}
