/**
 * The journal of an agent: every change of a machine's state, every message, and every step of the store with chunks. It is
 * bounded, in memory and always on. The oldest entries make room for new ones. No decision of the agent depends on it.
 */
import type { ClockPort } from '../../ports/clock.js';
import { defined } from '../../protocol/defined.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { JOURNAL_ENTRIES_PER_CALL_MAX, KEYS_SHOWN_MAX, MESSAGE_BYTES_MAX } from '../../protocol/limits.js';
import { jsonBytes, MessageRoom } from '../../protocol/message-room.js';
import type { JournalEntry, MachineName, StoreAction } from '../../protocol/observation.js';
import { isSampled } from '../../protocol/sampling.js';
import { shortened } from '../../protocol/shown-text.js';
import type { End } from '../../protocol/subjects.js';
import type { TrailStep } from '../../store/trail.js';

/** What an actor, a message or a step of the store is about, as far as that is known. */
export interface About {
  readonly request?: string | undefined;
  /** Epoch of the sender. For a peer: epoch of the other agent. */
  readonly epoch?: string | undefined;
  readonly batch?: number | undefined;
  readonly peer?: string | undefined;
  /** Of an actor that serves one rank of a request over several. */
  readonly rank?: number | undefined;
  readonly rankCount?: number | undefined;
}

/** The identity of an actor. */
export interface ActorIdentity {
  readonly machine: MachineName;
  readonly actor: string;
  readonly about: About;
}

export interface StateEvent {
  /** On the agent's clock. */
  readonly atMs: number;
  readonly kind: 'state';
  readonly of: ActorIdentity;
  readonly event: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly done: boolean;
  /** How the actor's task ends, once its machine has decided. */
  readonly end: End | undefined;
  readonly reason: Failure | undefined;
}

export interface MessageEvent {
  /** On the agent's clock. */
  readonly atMs: number;
  readonly kind: 'message';
  readonly direction: 'in' | 'out';
  readonly operation: string;
  readonly about: About;
  readonly tookMs: number | undefined;
  readonly code: string | undefined;
}

export interface StoreEvent {
  /** On the agent's clock. */
  readonly atMs: number;
  readonly kind: 'store';
  readonly action: StoreAction;
  readonly about: About;
  readonly keys: readonly string[];
  /** The positions in `keys` that the step is about. Undefined: all of them. */
  readonly positions?: readonly number[] | undefined;
  /** The page of each of these positions. */
  readonly pages?: readonly number[] | undefined;
  /** The number of chunks, when their keys are not known. */
  readonly chunks?: number | undefined;
  /** For joined chunks: the request that writes the first of them. For handed-over chunks: the request that failed to. */
  readonly other?: About | undefined;
  readonly detail?: string | undefined;
}

/** Keys and pages are shared with the code that recorded them. They must not be changed. */
export type JournalEvent = StateEvent | MessageEvent | StoreEvent;

export interface JournalQuery {
  readonly from?: number | undefined;
  readonly limit?: number | undefined;
  readonly request?: string | undefined;
  readonly oneIn?: number | undefined;
  /** Bytes that the entries may take as JSON. A first entry that is longer is returned all the same. */
  readonly bytesMax?: number | undefined;
}

export interface JournalPart {
  readonly entries: JournalEntry[];
  readonly next: number;
  readonly end: number;
  readonly missed: number;
}

/** One answer looks at no more entries: more would take too long in one turn. */
const SCANNED_MAX = 100_000;
/** All entries together hold at most this many characters of keys and texts for each entry that the journal may have. */
const CHARACTERS_PER_ENTRY_MAX = 512;
const TEXT_MAX = 512;
/** A caller may name any operation, so the journal cuts long names. */
const OPERATION_MAX = 64;

export class Journal {
  readonly #clock: ClockPort;
  readonly #entriesMax: number;
  /** Entry number n lies at n modulo `#entriesMax`. */
  readonly #entries: (JournalEvent | undefined)[] = [];
  readonly #listeners = new Set<(event: JournalEvent) => void>();
  #first = 0;
  #end = 0;
  #characters = 0;

  /** With `entriesMax` 0 the journal keeps no entry and only calls its listeners. */
  constructor(clock: ClockPort, entriesMax: number) {
    this.#clock = clock;
    this.#entriesMax = entriesMax;
  }

  /** Whether entries would go nowhere: none is kept, and there is no listener. */
  get isIdle(): boolean {
    return this.#entriesMax === 0 && this.#listeners.size === 0;
  }

  /** Records that a machine entered a state. */
  state(of: ActorIdentity, change: Pick<StateEvent, 'event' | 'from' | 'to' | 'done' | 'end' | 'reason'>): void {
    if (this.isIdle) return;
    const { event, from, to, done, end, reason } = change;
    this.#record({ atMs: this.#clock.now(), kind: 'state', of, event, from, to, done, end, reason });
  }

  /** Records a message that was answered, or a notice that was sent. A long `operation` is cut. */
  message(direction: 'in' | 'out', operation: string, about: About, tookMs?: number, code?: string): void {
    if (this.isIdle) return;
    const named = shortened(operation, OPERATION_MAX);
    this.#record({ atMs: this.#clock.now(), kind: 'message', direction, operation: named, about, tookMs, code });
  }

  /** Records a step of the store. */
  store(step: TrailStep): void {
    if (this.isIdle) return;
    const { action, holder, batch, keys, positions, pages, chunks, other, detail } = step;
    const about = { request: holder?.request, epoch: holder?.epoch, batch, peer: undefined };
    const atMs = this.#clock.now();
    this.#record({ atMs, kind: 'store', action, about, keys, positions, pages, chunks, other, detail });
  }

  /** Calls `listener` with every new entry, at once. It must be quick and must not throw. Returns a function that stops this. */
  onEvent(listener: (event: JournalEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The entries that the journal still has, from number `from` on. `next` is where the following call goes on. */
  read(query: JournalQuery): JournalPart {
    const { from = 0, limit = JOURNAL_ENTRIES_PER_CALL_MAX, request, oneIn = 1, bytesMax = MESSAGE_BYTES_MAX } = query;
    const entries: JournalEntry[] = [];
    const room = new MessageRoom(bytesMax);
    let next = Math.max(from, this.#first);
    const missed = next - from;
    const end = Math.min(this.#end, next + SCANNED_MAX);
    for (; next < end && entries.length < limit; next += 1) {
      const event = this.#at(next);
      const about = aboutOf(event);
      if (request !== undefined && about.request !== request) continue;
      if (about.request !== undefined && !isSampled(about.request, oneIn)) continue;
      const entry = shown(event, next);
      if (!room.take(jsonBytes(entry)) && entries.length > 0) break;
      entries.push(entry);
    }
    return { entries, next, end: this.#end, missed };
  }

  /** The last entries that match, oldest first, among the last `SCANNED_MAX`: at most `limit`, and as many as take `bytesMax` bytes as JSON. */
  trail(limit: number, bytesMax: number, matches: (event: JournalEvent) => boolean): JournalEntry[] {
    const found: JournalEntry[] = [];
    const room = new MessageRoom(bytesMax);
    for (let n = this.#end - 1; n >= this.#firstScanned && found.length < limit; n -= 1) {
      const event = this.#at(n);
      if (!matches(event)) continue;
      const entry = shown(event, n);
      if (!room.take(jsonBytes(entry))) break;
      found.push(entry);
    }
    return found.reverse();
  }

  /** The last entry that matches, among the last `SCANNED_MAX`. */
  last(matches: (event: JournalEvent) => boolean): JournalEvent | undefined {
    for (let n = this.#end - 1; n >= this.#firstScanned; n -= 1) {
      const event = this.#at(n);
      if (matches(event)) return event;
    }
    return undefined;
  }

  get #firstScanned(): number {
    return Math.max(this.#first, this.#end - SCANNED_MAX);
  }

  #record(event: JournalEvent): void {
    if (this.#entriesMax > 0) this.#add(event);
    for (const listener of this.#listeners) listener(event);
  }

  #add(event: JournalEvent): void {
    if (this.#end - this.#first === this.#entriesMax) this.#drop();
    this.#entries[this.#end % this.#entriesMax] = event;
    this.#end += 1;
    this.#characters += charactersIn(event);
    const charactersMax = CHARACTERS_PER_ENTRY_MAX * this.#entriesMax;
    while (this.#characters > charactersMax && this.#end - this.#first > 1) this.#drop();
  }

  #drop(): void {
    const n = this.#first % this.#entriesMax;
    this.#characters -= charactersIn(this.#at(this.#first));
    this.#first += 1;
    // An entry that no answer shows must not stay in memory.
    this.#entries[n] = undefined;
  }

  #at(n: number): JournalEvent {
    return this.#entries[n % this.#entriesMax] as JournalEvent;
  }
}

/** What a message is about, read from its fields. */
export function aboutMessage(message: object, peer?: string): About {
  const { request, epoch, batch } = message as About;
  return { request, epoch, batch, peer };
}

/** The rank that an actor serves. Empty for a request without ranks. */
export function aboutRank(ranks: Ranks | undefined): Pick<About, 'rank' | 'rankCount'> {
  return ranks === undefined ? {} : { rank: ranks.rank, rankCount: ranks.members.length };
}

export function aboutOf(event: JournalEvent): About {
  return event.kind === 'state' ? event.of.about : event.about;
}

/** The page of `key` in the event, if the event is about that key. */
export function pageOfKey(event: StoreEvent, key: string): { readonly page: number | undefined } | undefined {
  const position = event.keys.indexOf(key);
  if (position < 0) return undefined;
  const index = event.positions === undefined ? position : event.positions.indexOf(position);
  return index < 0 ? undefined : { page: event.pages?.[index] };
}

/** The entry as a reply shows it. */
function shown(event: JournalEvent, n: number): JournalEntry {
  const { atMs } = event;
  switch (event.kind) {
    case 'state': {
      const { machine, actor, about } = event.of;
      const { event: cause, from, to, done, reason } = event;
      return { n, atMs, kind: 'state', machine, actor, ...about, event: cause, to, done, ...defined({ from, reason }) };
    }
    case 'message': {
      const { direction, operation, about, tookMs, code } = event;
      return { n, atMs, kind: 'message', direction, operation, ...about, ...defined({ tookMs, code }) };
    }
    case 'store': {
      const { action, about, keys, positions } = event;
      const chunks = event.chunks ?? positions?.length ?? keys.length;
      const first = positions === undefined ? keys.slice(0, KEYS_SHOWN_MAX) : keysAt(keys, positions);
      const pages = event.pages?.slice(0, KEYS_SHOWN_MAX);
      const detail = event.detail?.slice(0, TEXT_MAX);
      return { n, atMs, kind: 'store', action, ...about, chunks, keys: first, ...defined({ pages, detail }) };
    }
  }
}

function keysAt(keys: readonly string[], positions: readonly number[]): string[] {
  return positions.slice(0, KEYS_SHOWN_MAX).map((position) => keys[position] as string);
}

/** Of the parts that have no fixed length. */
function charactersIn(event: JournalEvent): number {
  switch (event.kind) {
    case 'store':
      return event.keys.reduce((sum, key) => sum + key.length, event.detail?.length ?? 0);
    case 'state':
      return event.reason === undefined ? 0 : event.reason.message.length + (event.reason.field?.length ?? 0);
    case 'message':
      return event.operation.length;
  }
}
