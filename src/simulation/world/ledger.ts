/**
 * What was accepted, and every word about how it ended: as published, as a router heard it, as agents answer when they are
 * asked. All of it must say the same.
 */
import type { TerminalEvent } from '../../protocol/events.js';
import type { End } from '../../protocol/subjects.js';
import { GRACE_MS, MENDED_MS } from './timing.js';
import type { World } from './world.js';

interface Identity {
  readonly request: string;
  /** The sender's. */
  readonly epoch: string;
}

export interface Accepted extends Identity {
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
  readonly sender: string;
  readonly receiver: string;
  readonly agent: string;
  readonly address: string | undefined;
  readonly atMs: number;
}

export class Ledger {
  readonly #world: World;
  readonly #entries = new Map<string, Entry>();
  readonly #publications = new Map<string, Publication[]>();
  /** Requests whose end may be told in two ways. */
  readonly #twice = new Set<string>();
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
  settle(identity: Identity, end: End, from: string): void {
    const entry = this.#entries.get(nameOf(identity));
    if (entry === undefined) return;
    this.#world.trace.add(() => `router learns ${nameOf(entry)} ${end} from ${from}`);
    if (entry.end === null) entry.end = end;
    else if (entry.end !== end && !this.#mayBeTwo(entry)) {
      this.#world.violate('one end', `${nameOf(entry)} was ${entry.end}, and now is ${end} (${from})`);
    }
  }

  /** What agents answer at the end of everything must be what was published. */
  checkRecorded(identity: Identity, end: End, agent: string): void {
    const first = this.#publications.get(nameOf(identity))?.[0];
    if (first === undefined || first.end === end || this.#mayBeTwo(identity)) return;
    this.#world.violate('one end', `${nameOf(identity)} was announced ${first.end}, and ${agent} has recorded ${end}`);
  }

  /** Every request has an end, and was announced in time. */
  checkAllEnded(): void {
    const [entry] = this.open();
    if (entry !== undefined) this.#world.violate('an end', `nobody knows how ${nameOf(entry)} ended`);
    const calmMs = this.#world.scenario.faults.length > 0 ? MENDED_MS : 0;
    for (const { deadlineMs, ...identity } of this.#entries.values()) {
      const lateMs = (this.#publications.get(nameOf(identity))?.[0]?.atMs ?? 0) - Math.max(deadlineMs, calmMs);
      if (lateMs > GRACE_MS) this.#world.violate('in time', `${nameOf(identity)} was announced ${lateMs} ms too late`);
    }
  }

  #published(event: TerminalEvent, agent: string): void {
    const world = this.#world;
    const name = nameOf(event);
    const before = this.#publications.get(name) ?? [];
    const { end, sender, receiver } = event;
    const publication = { end, sender, receiver, agent, address: world.slot(agent).life?.address, atMs: world.now };
    this.#publications.set(name, [...before, publication]);
    world.trace.add(() => `${agent} announces ${name} ${event.end} ${event.reason?.code ?? ''}`);
    const [first] = before;
    if (first !== undefined && !this.#mayBeTwo(event)) {
      world.violate('one announcement', `${name}: ${first.end} by ${first.agent}, then ${event.end} by ${agent}`);
    }
    for (const listener of this.#listeners) listener(event, world.now);
  }

  /**
   * May there be two words? (docs/protocol.md, "Exactly one terminal event".) When whoever announced an end first cannot be
   * reached before its partner has heard of it, or when the two could not hear each other while both were there.
   */
  #mayBeTwo(identity: Identity): boolean {
    const name = nameOf(identity);
    const [first] = this.#publications.get(name) ?? [];
    if (first?.address === undefined || this.#twice.has(name)) return true;
    const { links } = this.#world;
    const { sender, receiver, address, atMs } = first;
    const wasGone = this.#world.wasUnreachable(address, atMs);
    if (!wasGone && !links.wereSilent(sender, receiver) && !links.wereSilent(receiver, sender)) return false;
    this.#twice.add(name);
    return true;
  }
}

export function nameOf({ request, epoch }: Identity): string {
  return `${epoch}/${request}`;
}
