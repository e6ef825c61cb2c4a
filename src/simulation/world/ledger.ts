/**
 * What was accepted, and every word about how it ended: as published, as a router heard it, as agents answer when they are
 * asked. All of it must say the same.
 */
import type { TerminalEvent } from '../../protocol/events.js';
import type { End } from '../../protocol/subjects.js';
import type { World } from './world.js';

export interface Accepted {
  readonly request: string;
  /** The sender's. */
  readonly epoch: string;
  readonly sender: string;
  readonly receiver: string;
  readonly keys: readonly string[];
  /** By the world's clock. */
  readonly deadlineMs: number;
}

interface Entry extends Accepted {
  /** How it ended, as far as a router knows. */
  end: End | null;
}

/** An end was announced by this agent, in this life. */
interface Publication {
  readonly end: End;
  readonly agent: string;
  readonly address: string | undefined;
  readonly atMs: number;
}

export class Ledger {
  readonly #world: World;
  readonly #entries = new Map<string, Entry>();
  readonly #publications = new Map<string, Publication[]>();
  readonly #listeners: ((event: TerminalEvent, atMs: number) => void)[] = [];

  constructor(world: World) {
    this.#world = world;
    // Publications are seen where they leave, whatever becomes of them.
    world.observerControl.subscribe('kvferry.v1.event.>', ({ subject, body }) => {
      const agent = subject.split('.').at(-2) ?? '';
      this.#published(JSON.parse(body) as TerminalEvent, agent);
    });
  }

  onPublished(listener: (event: TerminalEvent, atMs: number) => void): void {
    this.#listeners.push(listener);
  }

  accept(accepted: Accepted): void {
    const name = nameOf(accepted);
    if (!this.#entries.has(name)) this.#entries.set(name, { ...accepted, end: null });
  }

  get accepted(): number {
    return this.#entries.size;
  }

  /** Nobody has told the router how they ended. */
  open(): Accepted[] {
    return [...this.#entries.values()].filter(({ end }) => end === null);
  }

  endOf(accepted: Accepted): End | null {
    return this.#entries.get(nameOf(accepted))?.end ?? null;
  }

  /** How many ended how. */
  ends(): Record<End, number> {
    const counts = { ready: 0, failed: 0, cancelled: 0, expired: 0 };
    for (const { end } of this.#entries.values()) if (end !== null) counts[end] += 1;
    return counts;
  }

  /** A router has learned how it ended. */
  settle(identity: { readonly request: string; readonly epoch: string }, end: End, from: string): void {
    const entry = this.#entries.get(nameOf(identity));
    if (entry === undefined) return;
    this.#world.trace.add(() => `router learns ${nameOf(entry)} ${end} from ${from}`);
    if (entry.end === null) entry.end = end;
    else if (entry.end !== end && !this.#isAnnouncerGone(entry)) {
      this.#world.violate('one end', `${nameOf(entry)} was ${entry.end}, and now is ${end} (${from})`);
    }
  }

  /** What agents answer at the end of everything must be what was published. */
  checkRecorded(identity: { readonly request: string; readonly epoch: string }, end: End, agent: string): void {
    const first = this.#publications.get(nameOf(identity))?.[0];
    if (first === undefined || first.end === end || this.#isAnnouncerGone(identity)) return;
    this.#world.violate('one end', `${nameOf(identity)} was announced ${first.end}, and ${agent} has recorded ${end}`);
  }

  checkAllEnded(): void {
    const [entry] = this.open();
    if (entry !== undefined) this.#world.violate('an end', `nobody knows how ${nameOf(entry)} ended`);
  }

  #published(event: TerminalEvent, agent: string): void {
    const world = this.#world;
    const name = nameOf(event);
    const before = this.#publications.get(name) ?? [];
    const publication = { end: event.end, agent, address: world.slot(agent).life?.address, atMs: world.now };
    this.#publications.set(name, [...before, publication]);
    world.trace.add(() => `${agent} announces ${name} ${event.end} ${event.reason?.code ?? ''}`);
    const [first] = before;
    if (first !== undefined && !this.#isAnnouncerGone(event)) {
      world.violate('one announcement', `${name}: ${first.end} by ${first.agent}, then ${event.end} by ${agent}`);
    }
    for (const listener of this.#listeners) listener(event, world.now);
  }

  /**
   * The one case in which there may be two words: whoever has announced an end was killed before its partner had heard
   * of it (docs/protocol.md, "Exactly one terminal event").
   */
  #isAnnouncerGone(identity: { readonly request: string; readonly epoch: string }): boolean {
    const [first] = this.#publications.get(nameOf(identity)) ?? [];
    return first === undefined || first.address === undefined || this.#world.isDead(first.address);
  }
}

export function nameOf({ request, epoch }: { readonly request: string; readonly epoch: string }): string {
  return `${epoch}/${request}`;
}
