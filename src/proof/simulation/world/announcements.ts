/**
 * Every published end, and whether a second one has an excuse. What excuses it is exact: the agent that announced second had read
 * no message about the request that the first one had sent since its announcement, and
 * - the agent that announced first died. Or
 * - both ends are `failed`, and one of the two had reason to declare the other dead: the first one when it announced, or the
 *   second one in a silence that lasted then or began later.
 */
import type { TerminalEvent } from '../../../protocol/events.js';
import type { End } from '../../../protocol/subjects.js';
import type { Envelope } from '../memory-control.js';
import { requestOf } from './participants.js';
import type { World } from './world.js';

/** One announcement of an end, by one life of an agent. */
export interface Announcement {
  readonly end: End;
  /** Why the request did not end `ready`. */
  readonly code: string | undefined;
  readonly agent: string;
  /** The life that announced. */
  readonly address: string;
  readonly atMs: number;
}

/** An agent announced or recorded an end. */
type Claim = Pick<Announcement, 'end' | 'agent' | 'atMs'>;

export class Announcements {
  readonly #world: World;
  readonly #byName = new Map<string, Announcement[]>();
  /** Requests with a second end that has an excuse. */
  readonly #excused = new Set<string>();
  /** When messages about requests were sent. */
  readonly #sentMs = new WeakMap<Envelope, number>();
  /** The last message about a request that one agent read from another: when it was sent. */
  readonly #learntMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  sent(envelope: Envelope): void {
    if (requestOf(envelope) !== undefined) this.#sentMs.set(envelope, this.#world.now);
  }

  read(envelope: Envelope): void {
    const sentMs = this.#sentMs.get(envelope);
    if (sentMs === undefined) return;
    const passage = `${requestOf(envelope)} ${envelope.from} ${envelope.to}`;
    this.#learntMs.set(passage, Math.max(sentMs, this.#learntMs.get(passage) ?? 0));
  }

  /** The announcement that counts. */
  first(name: string): Announcement | undefined {
    return this.#byName.get(name)?.[0];
  }

  /** Records an announcement. The first one of the request, if this one is a second one without an excuse. */
  add(name: string, { request, end, reason }: TerminalEvent, agent: string): Announcement | undefined {
    const { now } = this.#world;
    const announcement = { end, code: reason?.code, agent, address: this.#world.lastLife(agent), atMs: now };
    const before = this.#byName.get(name) ?? [];
    this.#byName.set(name, [...before, announcement]);
    const [first] = before;
    if (first === undefined || this.#mayFollow(first, announcement, request)) return undefined;
    return first;
  }

  /** The announcement that the record of an agent contradicts without an excuse. */
  contradicted(name: string, request: string, { end, agent }: Pick<Claim, 'end' | 'agent'>): Announcement | undefined {
    const first = this.first(name);
    if (first === undefined || first.end === end || this.#excused.has(name)) return undefined;
    return this.#mayFollow(first, { end, agent, atMs: this.#world.now }, request) ? undefined : first;
  }

  isExcused(name: string): boolean {
    return this.#excused.has(name);
  }

  #mayFollow(first: Announcement, second: Claim, request: string): boolean {
    const learntMs = this.#learntMs.get(`${request} ${first.agent} ${second.agent}`) ?? Number.NEGATIVE_INFINITY;
    if (learntMs >= first.atMs) return false;
    if (this.#world.isDead(first.address)) return true;
    if (first.end !== 'failed' || second.end !== 'failed') return false;
    const { silences } = this.#world;
    return (
      silences.silentTo(first.agent, second.agent, first.atMs, first.atMs) ||
      silences.silentTo(second.agent, first.agent, first.atMs, second.atMs)
    );
  }

  /** From now on, a report of either end is right. */
  excuse(name: string): void {
    this.#excused.add(name);
  }
}
