/**
 * What was accepted, and every word about how it ended: as published, as a router heard it, as agents answer when they are
 * asked. All of it must say the same.
 */
import type { TerminalEvent } from '../../../protocol/events.js';
import type { Ranks } from '../../../protocol/fields.js';
import type { End } from '../../../protocol/subjects.js';
import { GRACE_MS, MENDED_MS } from './timing.js';
import type { World } from './world.js';

interface Identity {
  readonly request: string;
  /** The sender's. */
  readonly epoch: string;
}

/** Who moves it, or one rank of it. */
export interface Part {
  readonly sender: string;
  readonly receiver: string;
  /** The sender's. */
  readonly epoch: string;
}

/** A batch of a request was accepted. */
interface Acceptance {
  readonly request: string;
  readonly part: Part;
  /** By the world's clock. */
  readonly deadlineMs: number;
}

export interface Accepted {
  readonly name: string;
  readonly request: string;
  /** Of several ranks, those that were accepted. */
  readonly parts: readonly Part[];
  /** By the world's clock; of several ranks that of the last: how long the agents that have it may take. */
  readonly deadlineMs: number;
}

interface Entry extends Accepted {
  readonly parts: Part[];
  deadlineMs: number;
  /** How it ended, as far as a router knows. */
  end: End | null;
}

/** An end was announced by this agent, in this life. */
interface Publication {
  readonly end: End;
  /** Who had to agree about it. */
  readonly agents: readonly string[];
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
  /** Requests over several ranks. */
  readonly #ranked: ReadonlyMap<string, Ranks['members']>;
  readonly #listeners: ((event: TerminalEvent, atMs: number) => void)[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#ranked = new Map(
      world.scenario.requests.flatMap(({ request, ranks }) => (ranks === undefined ? [] : [[request, ranks.members]])),
    );
    // Publications are seen where they leave, whatever becomes of them.
    world.observerControl.subscribe('kvferry.v1.event.>', ({ subject, body }) => {
      const agent = subject.split('.').at(-2) ?? '';
      this.#published(JSON.parse(body) as TerminalEvent, agent);
    });
  }

  onPublished(listener: (event: TerminalEvent, atMs: number) => void): void {
    this.#listeners.push(listener);
  }

  accept({ request, part, deadlineMs }: Acceptance): void {
    const name = this.#nameOf({ request, epoch: part.epoch });
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      this.#entries.set(name, { name, request, parts: [part], deadlineMs, end: null });
    } else if (entry.parts.every(({ epoch }) => epoch !== part.epoch)) {
      entry.parts.push(part);
      entry.deadlineMs = Math.max(entry.deadlineMs, deadlineMs);
    }
  }

  get accepted(): number {
    return this.#entries.size;
  }

  /** Nobody has told the router how they ended. */
  open(): Accepted[] {
    return [...this.#entries.values()].filter(({ end }) => end === null);
  }

  /** How many ended how. */
  ends(): Record<End, number> {
    const counts = { ready: 0, failed: 0, cancelled: 0, expired: 0 };
    for (const { end } of this.#entries.values()) if (end !== null) counts[end] += 1;
    return counts;
  }

  /** A router has learned how it ended. */
  settle(identity: Identity, end: End, from: string): void {
    const name = this.#nameOf(identity);
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#world.trace.add(() => `router learns ${name} ${end} from ${from}`);
    if (entry.end === null) entry.end = end;
    else if (!this.#agree(identity, entry.end, end) && !this.#mayBeTwo(identity)) {
      this.#world.violate('one end', `${name} was ${entry.end}, and now is ${end} (${from})`);
    }
  }

  /** What agents answer at the end of everything must be what was published. */
  checkRecorded(identity: Identity, end: End, agent: string): void {
    const name = this.#nameOf(identity);
    const first = this.#publications.get(name)?.[0];
    if (first === undefined || this.#agree(identity, first.end, end) || this.#mayBeTwo(identity)) return;
    this.#world.violate('one end', `${name} was announced ${first.end}, and ${agent} has recorded ${end}`);
  }

  /** Every request has an end, and was announced in time. */
  checkAllEnded(): void {
    const [entry] = this.open();
    if (entry !== undefined) this.#world.violate('an end', `nobody knows how ${entry.name} ended`);
    const calmMs = this.#world.scenario.faults.length > 0 ? MENDED_MS : 0;
    for (const { deadlineMs, name } of this.#entries.values()) {
      const lateMs = (this.#publications.get(name)?.[0]?.atMs ?? 0) - Math.max(deadlineMs, calmMs);
      if (lateMs > GRACE_MS) this.#world.violate('in time', `${name} was announced ${lateMs} ms too late`);
    }
  }

  #published(event: TerminalEvent, agent: string): void {
    const world = this.#world;
    const name = this.#nameOf(event);
    const before = this.#publications.get(name) ?? [];
    const members = this.#ranked.get(event.request) ?? [event];
    const agents = [...new Set(members.flatMap(({ sender, receiver }) => [sender, receiver]))];
    const { address } = world.slot(agent).life ?? {};
    const publication = { end: event.end, agents, agent, address, atMs: world.now };
    this.#publications.set(name, [...before, publication]);
    world.trace.add(() => `${agent} announces ${name} ${event.end} ${event.reason?.code ?? ''}`);
    const [first] = before;
    if (first !== undefined && !this.#mayBeTwo(event)) {
      world.violate('one announcement', `${name}: ${first.end} by ${first.agent}, then ${event.end} by ${agent}`);
    }
    for (const listener of this.#listeners) listener(event, world.now);
  }

  /** A rank that could not reach its lead says by itself that it has failed. */
  #agree({ request }: Identity, one: End, other: End): boolean {
    return one === other || (this.#ranked.has(request) && one !== 'ready' && other !== 'ready');
  }

  /**
   * May there be two words? (docs/protocol.md, "Exactly one terminal event".) When whoever announced an end first cannot be
   * reached before its partner has heard of it, or when the two could not hear each other while both were there.
   */
  #mayBeTwo(identity: Identity): boolean {
    const name = this.#nameOf(identity);
    const [first] = this.#publications.get(name) ?? [];
    if (first?.address === undefined || this.#twice.has(name)) return true;
    const { links } = this.#world;
    const { agents, address, atMs } = first;
    const wasGone = this.#world.wasUnreachable(address, atMs);
    const wereSilent = agents.some((from) => agents.some((to) => links.wereSilent(from, to)));
    if (!wasGone && !wereSilent) return false;
    this.#twice.add(name);
    return true;
  }

  /** Over several ranks, each of which is put once in a scenario, it is one request under all their epochs. */
  #nameOf({ request, epoch }: Identity): string {
    return this.#ranked.has(request) ? request : `${epoch}/${request}`;
  }
}
