/**
 * Records the accepted requests and every report of their ends: published events, events that a router received, and answers
 * to `status`. All reports of one request must agree.
 */
import type { TerminalEvent } from '../../../protocol/events.js';
import type { Ranks } from '../../../protocol/fields.js';
import type { End } from '../../../protocol/subjects.js';
import { GRACE_MS, MENDED_MS } from './timing.js';
import type { World } from './world.js';

interface Identity {
  readonly request: string;
  /** Epoch of the sender. */
  readonly epoch: string;
}

/** The agents that move a request, or one rank of a request. */
export interface Part {
  readonly sender: string;
  readonly receiver: string;
  /** Epoch of the sender. */
  readonly epoch: string;
}

/** An agent accepted a batch of a request. */
interface Acceptance {
  readonly request: string;
  readonly part: Part;
  /** By the world's clock. */
  readonly deadlineMs: number;
}

export interface Accepted {
  readonly name: string;
  readonly request: string;
  /** One part. For a request over several ranks, one part for each accepted rank. */
  readonly parts: readonly Part[];
  /** Deadline by the world's clock. For a request over several ranks, the latest deadline of its ranks. */
  readonly deadlineMs: number;
}

interface Entry extends Accepted {
  readonly parts: Part[];
  deadlineMs: number;
  /** The end that the router knows, or null. */
  end: End | null;
}

/** One announcement of an end, by one life of an agent. */
interface Publication {
  readonly end: End;
  /** All agents of the request. They must agree about the end. */
  readonly agents: readonly string[];
  readonly agent: string;
  readonly address: string | undefined;
  readonly atMs: number;
}

export class Ledger {
  readonly #world: World;
  readonly #entries = new Map<string, Entry>();
  readonly #publications = new Map<string, Publication[]>();
  /** Requests that may have two different ends. */
  readonly #twice = new Set<string>();
  /** Requests over several ranks. */
  readonly #ranked: ReadonlyMap<string, Ranks['members']>;
  readonly #listeners: ((event: TerminalEvent, atMs: number) => void)[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#ranked = new Map(
      world.scenario.requests.flatMap(({ request, ranks }) => (ranks === undefined ? [] : [[request, ranks.members]])),
    );
    // No fault affects messages to the observer, so the ledger sees every publication.
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

  /** Accepted requests whose end the router does not know yet. */
  open(): Accepted[] {
    return [...this.#entries.values()].filter(({ end }) => end === null);
  }

  /** The number of requests by end. */
  ends(): Record<End, number> {
    const counts = { ready: 0, failed: 0, cancelled: 0, expired: 0 };
    for (const { end } of this.#entries.values()) if (end !== null) counts[end] += 1;
    return counts;
  }

  /** The router learned the end of a request. `from` names its source. */
  settle(identity: Identity, end: End, from: string): void {
    const name = this.#nameOf(identity);
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#world.trace.add(() => `router learns ${name} ${end} from ${from}`);
    if (entry.end === null) entry.end = end;
    else if (!this.#agree(identity, entry.end, end) && !this.#mayBeTwo(identity)) {
      this.#world.violate('one end', `the router learned that ${name} is ${entry.end}, and later ${end} from ${from}`);
    }
  }

  /** The end that an agent has recorded must be the published end. */
  checkRecorded(identity: Identity, end: End, agent: string): void {
    const name = this.#nameOf(identity);
    const first = this.#publications.get(name)?.[0];
    if (first === undefined || this.#agree(identity, first.end, end) || this.#mayBeTwo(identity)) return;
    this.#world.violate('one end', `${name} was announced as ${first.end}, but ${agent} recorded ${end}`);
  }

  /** Every accepted request has an end, which was announced in time. */
  checkAllEnded(): void {
    const [entry] = this.open();
    if (entry !== undefined) this.#world.violate('an end', `the router never learned the end of ${entry.name}`);
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
      world.violate(
        'one announcement',
        `${first.agent} announced ${name} as ${first.end}, then ${agent} as ${event.end}`,
      );
    }
    for (const listener of this.#listeners) listener(event, world.now);
  }

  /** A rank that cannot reach its lead reports `failed`, whatever end the lead announced other than `ready`. */
  #agree({ request }: Identity, one: End, other: End): boolean {
    return one === other || (this.#ranked.has(request) && one !== 'ready' && other !== 'ready');
  }

  /**
   * True if the protocol allows two announcements (docs/guide/protocol.md, "Terminal events"). It does in two cases. The
   * agent that announced first became unreachable before its partner learned of the end. Or both agents were alive, but their
   * messages did not reach each other.
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

  /** Each rank of a request is put once in a scenario, so all ranks share one name although their epochs differ. */
  #nameOf({ request, epoch }: Identity): string {
    return this.#ranked.has(request) ? request : `${epoch}/${request}`;
  }
}
