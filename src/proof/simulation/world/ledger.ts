/**
 * Records the accepted requests and every report of their ends: published events, events that a router received, and answers
 * to `status`. All reports of one request must agree.
 */
import type { SourceReleasedEvent, TerminalEvent } from '../../../protocol/events.js';
import type { Ranks } from '../../../protocol/fields.js';
import type { End } from '../../../protocol/subjects.js';
import type { Accepted, Part } from './accepted.js';
import { Account, type Demands } from './account.js';
import { Announcements } from './announcements.js';
import type { FaultInjector } from './fault-injector.js';
import { Offers } from './offers.js';
import { GRACE_MS, MENDED_MS, SKEW_MAX } from './timing.js';
import type { World } from './world.js';

interface Identity {
  readonly request: string;
  /** Epoch of the sender. */
  readonly epoch: string;
}

/** An agent accepted a batch of a request. */
interface Acceptance {
  readonly request: string;
  readonly part: Part;
  readonly batch: number;
  readonly keys: readonly string[];
  readonly last: boolean;
  /** When the engine sent the batch. */
  readonly sentMs: number;
  readonly timeoutMs: number;
  /** By the world's clock. */
  readonly deadlineMs: number;
}

interface Entry extends Accepted {
  readonly parts: Part[];
  completeParts: number;
  /** The put named no receiver, and no router has an answer to its `route` yet. */
  isOffered: boolean;
  completeMs: number;
  deadlineMs: number;
  earliestMs: number;
  /** The end that the router knows, or null. */
  end: End | null;
}

export class Ledger {
  readonly #world: World;
  readonly #entries = new Map<string, Entry>();
  readonly #announcements: Announcements;
  readonly #account: Account;
  readonly offers: Offers;
  /** Requests over several ranks. */
  readonly #ranked: ReadonlyMap<string, Ranks['members']>;
  readonly #listeners: ((event: TerminalEvent, atMs: number) => void)[] = [];

  constructor(world: World, injector: FaultInjector) {
    this.#world = world;
    const announcements = new Announcements(world);
    this.#announcements = announcements;
    this.#account = new Account(world);
    this.offers = new Offers(world);
    injector.onMessage((envelope) => {
      announcements.sent(envelope);
      this.offers.sent(envelope);
    });
    world.network.read = (envelope) => {
      announcements.read(envelope);
      world.silences.read(envelope, world.now);
    };
    world.network.unheard = (from, subject) => {
      // kvferry.v1.agent.<name>.<operation>, kvferry.v1.peer.<name>.<epoch>.<operation>
      const to = subject.split('.')[3] ?? '';
      world.silences.sent({ from, to }, world.now);
    };
    this.#ranked = new Map(
      world.scenario.requests.flatMap(({ request, ranks }) => (ranks === undefined ? [] : [[request, ranks.members]])),
    );
    // No fault affects messages to the observer, so the ledger sees every publication.
    world.observerControl.subscribe('kvferry.v1.event.>', ({ subject, body }) => {
      const agent = subject.split('.').at(-2) ?? '';
      this.#published(JSON.parse(body) as TerminalEvent, agent);
    });
    world.observerControl.subscribe('kvferry.v1.source.*', ({ body }) => {
      world.sources.released(JSON.parse(body) as SourceReleasedEvent, world.now);
    });
  }

  onPublished(listener: (event: TerminalEvent, atMs: number) => void): void {
    this.#listeners.push(listener);
  }

  accept({ request, part, batch, keys, last, sentMs, timeoutMs, deadlineMs }: Acceptance): void {
    this.#world.sources.accept(`${part.epoch}/${request}`, batch, keys);
    const name = this.#nameOf({ request, epoch: part.epoch });
    const entry = this.#entries.get(name) ?? this.#open(name, request, sentMs);
    if (entry.parts.every(({ epoch }) => epoch !== part.epoch)) {
      entry.parts.push(part);
      entry.deadlineMs = Math.max(entry.deadlineMs, deadlineMs);
      // Every agent measures the time of a request by its own clock.
      entry.earliestMs = Math.min(entry.earliestMs, sentMs + timeoutMs * (1 - SKEW_MAX));
    }
    if (last) entry.completeParts += 1;
    this.#complete(entry);
  }

  /** A router has the answer that the request is on its way. */
  routed(identity: Identity): void {
    const entry = this.#entries.get(this.#nameOf(identity));
    if (entry === undefined) return;
    entry.isOffered = false;
    this.#complete(entry);
  }

  /** The request can become ready from now on. */
  #complete(entry: Entry): void {
    const { request, completeParts, completeMs, isOffered } = entry;
    const isComplete = completeParts === (this.#ranked.get(request)?.length ?? 1);
    if (isComplete && !isOffered && completeMs === Number.POSITIVE_INFINITY) entry.completeMs = this.#world.now;
  }

  get accepted(): number {
    return this.#entries.size;
  }

  /** Known once all have ended. */
  get demands(): Demands {
    return this.#account.demands;
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
    else if (!this.#agree(identity, entry.end, end) && !this.#announcements.isExcused(name)) {
      this.#world.violate('one end', `the router learned that ${name} is ${entry.end}, and later ${end} from ${from}`);
    }
  }

  /** The end that an agent has recorded must be the published end. */
  checkRecorded(identity: Identity, end: End, agent: string): void {
    const { request } = identity;
    const name = this.#nameOf(identity);
    const first = this.#announcements.contradicted(name, request, { end, agent });
    if (first === undefined || this.#agree(identity, first.end, end)) return;
    this.#world.violate('one end', `${name} was announced as ${first.end}, but ${agent} recorded ${end}`);
  }

  /** Every accepted request has an end, which was announced in time, and it is the end that its account demands. */
  checkAllEnded(): void {
    const world = this.#world;
    const [entry] = this.open();
    if (entry !== undefined) world.violate('an end', `the router never learned the end of ${entry.name}`);
    const calmMs = world.scenario.faults.length > 0 ? MENDED_MS : 0;
    const all = [...this.#entries.values()].map((accepted) => ({
      accepted,
      announcement: this.#announcements.first(accepted.name),
    }));
    for (const { accepted, announcement } of all) {
      const lateMs = (announcement?.atMs ?? 0) - Math.max(accepted.deadlineMs, calmMs);
      if (lateMs > GRACE_MS) world.violate('in time', `${accepted.name} was announced ${lateMs} ms too late`);
    }
    const found = this.#account.judge(all);
    if (found !== undefined) world.violate(found.rule, found.detail);
  }

  #open(name: string, request: string, acceptedMs: number): Entry {
    const never = Number.POSITIVE_INFINITY;
    const times = { acceptedMs, completeMs: never, deadlineMs: 0, earliestMs: never };
    const isOffered = this.offers.has(request);
    const entry: Entry = { name, request, parts: [], completeParts: 0, isOffered, end: null, ...times };
    this.#entries.set(name, entry);
    return entry;
  }

  #published(event: TerminalEvent, agent: string): void {
    const world = this.#world;
    const name = this.#nameOf(event);
    world.trace.add(() => `${agent} announces ${name} ${event.end} ${event.reason?.code ?? ''}`);
    const isSecond = this.#announcements.first(name) !== undefined;
    const first = this.#announcements.add(name, event, agent);
    if (first !== undefined) {
      world.violate(
        'one announcement',
        `${first.agent} announced ${name} as ${first.end}, then ${agent} as ${event.end}`,
      );
    } else if (isSecond) this.#announcements.excuse(name);
    for (const listener of this.#listeners) listener(event, world.now);
  }

  /** A rank that cannot reach its lead reports `failed`, whatever end the lead announced other than `ready`. */
  #agree({ request }: Identity, one: End, other: End): boolean {
    return one === other || (this.#ranked.has(request) && one !== 'ready' && other !== 'ready');
  }

  /** Each rank of a request is put once in a scenario, so all ranks share one name although their epochs differ. */
  #nameOf({ request, epoch }: Identity): string {
    return this.#ranked.has(request) ? request : `${epoch}/${request}`;
  }
}
