/** One epoch of an agent, polled periodically. A question is not repeated before its answer. */
import type { KvferryClient } from '../../../client/kvferry-client.js';
import type { ClockPort } from '../../../ports/clock.js';
import { isKvferryError } from '../../../protocol/errors.js';
import { INSPECT_ACTORS_MAX } from '../../../protocol/limits.js';
import type { DescribeReply, StatusReply } from '../../../protocol/operations.js';
import type { ActorView, AgentView, EntryView } from '../feed.js';
import { ratesBetween } from '../rates.js';
import { ClockOffset } from './clock-offset.js';

const CALL_TIMEOUT_MS = 1000;
/** Unanswered questions after which the agent counts as silent. */
const SILENT_AFTER_MS = 1500;

export interface WatchedAgentPorts {
  readonly client: KvferryClient;
  readonly clock: ClockPort;
  /** The difference between the time since 1970 and `clock`. */
  readonly originMs: number;
}

/** The result of reading the journal. */
export interface Reading {
  readonly entries: readonly EntryView[];
  /** The entries are older than the first question, or come from a pause. */
  readonly isBacklog: boolean;
  /** True when entries come faster than they are fetched. */
  readonly isBehind: boolean;
}

const PAGES_ONLY = { actors: 0, pages: true };

const nothing: Reading = { entries: [], isBacklog: false, isBehind: false };

type Question = 'status' | 'pages' | 'begin' | 'read';

interface Look {
  readonly timeMs: number;
  readonly status: StatusReply;
  readonly pages: string | undefined;
  readonly rates: AgentView['rates'];
}

export class WatchedAgent {
  description: DescribeReply;
  readonly #ports: WatchedAgentPorts;
  readonly #offset = new ClockOffset();
  readonly #underWay = new Set<Question>();
  /** Operations that an older agent does not know. */
  readonly #notUnderstood = new Set<Question>();
  #look: Look | undefined;
  #heardMs: number;
  /** Number of the next entry to fetch; undefined until the start is known. */
  #next: number | undefined;
  /** The same from before a pause; undefined if the journal was never read. */
  #readTo: number | undefined;
  /** Number of unread entries after the last reading. */
  #ahead = 0;
  /** True once the journal has been read to its end. */
  #hasCaughtUp = false;
  #missed = 0;
  /** Time of the last entry. Times never decrease within a journal, even after a correction of the offset. */
  #lastEntryMs = Number.NEGATIVE_INFINITY;

  /** `readTo`: the known position in its journal, if any. */
  constructor(description: DescribeReply, ports: WatchedAgentPorts, readTo?: number) {
    this.description = description;
    this.#ports = ports;
    this.#readTo = readTo;
    this.#heardMs = this.#nowMs;
  }

  get name(): string {
    return this.description.agent;
  }

  get epoch(): string {
    return this.description.epoch;
  }

  /** Entries that the agent dropped before they were fetched. */
  get missed(): number {
    return this.#missed;
  }

  /** True once the position in the journal is known. */
  get hasBegun(): boolean {
    return this.#next !== undefined;
  }

  /** The position in its journal. */
  get readTo(): number | undefined {
    return this.#next ?? this.#readTo;
  }

  get silentMs(): number {
    return this.#nowMs - this.#heardMs;
  }

  get isSilent(): boolean {
    return this.silentMs > SILENT_AFTER_MS;
  }

  /** Undefined until the first answer. */
  get view(): AgentView | undefined {
    if (this.#look === undefined) return undefined;
    const { timeMs, status, pages, rates } = this.#look;
    return {
      agent: this.name,
      epoch: this.epoch,
      timeMs,
      description: this.description,
      status,
      rates,
      ...(this.isSilent ? { silentMs: this.silentMs } : {}),
      ...(pages === undefined ? {} : { pages }),
    };
  }

  /** Asks for its status. False when another process answers under its name. */
  async look(): Promise<boolean> {
    const hasPages = this.description.arena !== undefined;
    const [status, inspected] = await Promise.all([
      this.#ask('status', (options) =>
        this.#ports.client.status(this.name, { lists: ['segments', 'sessions', 'peers'] }, options),
      ),
      hasPages
        ? this.#ask('pages', (options) => this.#ports.client.inspect(this.name, PAGES_ONLY, options))
        : undefined,
    ]);
    if (status === undefined) return true;
    if (!this.#heard(status)) return false;
    const timeMs = this.#nowMs;
    const pages = inspected?.epoch === this.epoch ? inspected.pages : this.#look?.pages;
    const before = this.#look;
    const rates = ratesBetween(before?.status.counters, status.counters, timeMs - (before?.timeMs ?? timeMs));
    this.#look = { timeMs, status, pages, rates };
    return true;
  }

  /** Fetches new entries. */
  async read(oneIn: number): Promise<Reading> {
    if (this.#next === undefined) return nothing;
    const from = this.#next;
    const reply = await this.#ask('read', async (options) => {
      const askedMs = this.#nowMs;
      const answer = await this.#ports.client.journal(this.name, { from, oneIn }, options);
      return { ...answer, askedMs };
    });
    // After a pause, `begin` runs again.
    if (reply === undefined || this.#next !== from || !this.#heard(reply)) return nothing;
    this.#offset.add(reply.askedMs, reply.nowMs, this.#nowMs);
    this.#next = reply.next;
    this.#missed += reply.missed;
    const before = this.#ahead;
    this.#ahead = reply.end - reply.next;
    const isBehind = reply.missed > 0 || (before > 0 && this.#ahead > before);
    const isBacklog = !this.#hasCaughtUp;
    this.#hasCaughtUp ||= this.#ahead === 0;
    return { entries: reply.entries.map((entry) => this.#shown(entry)), isBacklog, isBehind };
  }

  /**
   * Finds the position in the journal and the live actors. `read` then reads at most `backlogMax` past entries. It starts at the
   * position before a pause, or later if there are more entries (`skipped`).
   */
  async begin(
    backlogMax: number,
  ): Promise<{ readonly actors: readonly ActorView[]; readonly skipped: boolean } | undefined> {
    const found = await this.#ask('begin', async (options) => {
      const askedMs = this.#nowMs;
      const [journal, inspected] = await Promise.all([
        this.#ports.client.journal(this.name, { limit: 1 }, options),
        this.#ports.client.inspect(this.name, { actors: INSPECT_ACTORS_MAX }, options),
      ]);
      return { askedMs, answeredMs: this.#nowMs, journal, inspected };
    });
    if (found === undefined || !this.#heard(found.journal) || !this.#heard(found.inspected)) return undefined;
    this.#offset.add(found.askedMs, found.journal.nowMs, found.answeredMs);
    const { entries, end } = found.journal;
    const oldest = Math.max(entries[0]?.n ?? end, end - backlogMax);
    const from = Math.max(this.#readTo ?? 0, oldest);
    const skipped = this.#readTo !== undefined && from > this.#readTo;
    this.#next = from;
    this.#ahead = Number.POSITIVE_INFINITY;
    this.#hasCaughtUp = false;
    return { actors: this.shownActors(found.inspected.actors), skipped };
  }

  /** No page is open. */
  pause(): void {
    this.#readTo = this.readTo;
    this.#next = undefined;
  }

  /** A page is open again. The pause does not count as silence. Call `begin` again before `read`. */
  resume(): void {
    this.#heardMs = this.#nowMs;
  }

  shownActors(actors: readonly Omit<ActorView, 'agent' | 'agentEpoch'>[]): ActorView[] {
    return actors.map((actor) => ({ ...actor, agent: this.name, agentEpoch: this.epoch }));
  }

  #shown(entry: EntryView['entry']): EntryView {
    this.#lastEntryMs = Math.max(this.#lastEntryMs, this.#offset.toOurs(entry.atMs));
    return { agent: this.name, agentEpoch: this.epoch, timeMs: this.#lastEntryMs, entry };
  }

  /** True if the answer is from this epoch. */
  #heard({ epoch }: { readonly epoch: string }): boolean {
    if (epoch !== this.epoch) return false;
    this.#heardMs = this.#nowMs;
    return true;
  }

  /** Undefined while the question is open, and when it got no answer. */
  async #ask<T>(question: Question, ask: (options: { timeoutMs: number }) => Promise<T>): Promise<T | undefined> {
    if (this.#underWay.has(question) || this.#notUnderstood.has(question)) return undefined;
    this.#underWay.add(question);
    try {
      return await ask({ timeoutMs: CALL_TIMEOUT_MS });
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      if (error.code === 'unknown_operation') this.#notUnderstood.add(question);
      // The next poll asks again. The page shows the silence.
      return undefined;
    } finally {
      this.#underWay.delete(question);
    }
  }

  get #nowMs(): number {
    return this.#ports.clock.now() + this.#ports.originMs;
  }
}
