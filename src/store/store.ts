/**
 * The store's rules: page table, keys, leases, admission, tombstones. Pure: `execute` takes one command and the time,
 * and returns the answer and the effects; it never waits, and nothing decided in one command is used by another
 * without being looked up again (P3). The store actor (`src/actors/receiving/store-actor.ts`) is the only one that holds it.
 *
 * Who owns what:
 * - an *entry* is one key in the arena; it owns exactly one page, `writing` until its bytes are committed (P1).
 * - a *lease* is the pair (holder, entry), kept once on each side; it is a set, so releasing twice is releasing once (P4).
 *   An entry that is ready and has no lease is retained as cache if that is configured, else its page is freed (S8).
 * - a page whose writer gave up while a write may land belongs to the quarantine, until drained or fenced.
 * - an entry whose writer gave up is handed over: a request that had joined it writes it anew, on another page (P2).
 */
import type { Allocation } from '../protocol/allocation.js';
import { fromFailure, RequestEndedError, toFailure, unknownRequest } from '../protocol/codec.js';
import { invalidField, KvferryError } from '../protocol/errors.js';
import type { Failure, PageCounts } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';
import { Admission, type Candidate } from './admission.js';
import type { AcquiredPage, StoreCommand, StoreEffect, StoreReplies } from './commands.js';
import { Contents, nobody } from './contents.js';
import type { StoreDescription } from './description.js';
import { type HolderId, nameOf } from './holder.js';
import { PageTable } from './page-table.js';
import { Quarantine } from './quarantine.js';
import type { Batch, Entry, Holder, Joiner, Part, Place } from './records.js';
import { type Tombstone, Tombstones } from './tombstones.js';
import type { Trail } from './trail.js';
import { StoreView } from './view.js';

export interface StoreOptions {
  readonly pages: number;
  readonly pageBytes: number;
  /** Leases end this long after the last `acquire`, or after the request became ready. */
  readonly leaseMs: number;
  readonly tombstonesMax: number;
  readonly tombstoneMs: number;
  /** Requests and readers that may hold something, or wait, at once. */
  readonly holdersMax: number;
  /** Ready pages that may stay as cache when nobody leases them. */
  readonly retainedMax: number;
}

type Allocate = Extract<StoreCommand, { type: 'allocate' }>;
type Acquire = Extract<StoreCommand, { type: 'acquire' }>;
type Commit = Extract<StoreCommand, { type: 'commit' }>;
type Decline = Extract<StoreCommand, { type: 'decline' }>;
type EffectOf<T extends StoreEffect['type']> = Extract<StoreEffect, { type: T }>;

/** The answer of a command and what follows from it. */
export type StoreResult<C extends StoreCommand> = {
  readonly reply: C['type'] extends keyof StoreReplies ? StoreReplies[C['type']] : undefined;
  readonly effects: readonly StoreEffect[];
};

export class Store {
  readonly #options: StoreOptions;
  readonly #trail: Trail;
  readonly #pages: PageTable;
  readonly #contents: Contents;
  readonly #holders = new Map<string, Holder>();
  readonly #admission = new Admission();
  readonly #tombstones: Tombstones;
  /** Valid remote keys and the sender's epoch each was made for, oldest first. */
  readonly #grants = new Map<string, string>();
  readonly #quarantine = new Quarantine();
  /** What may be looked at. */
  readonly details: StoreView;
  #effects: StoreEffect[] = [];
  #nowMs = 0;

  /** `trail` hears of every step that a chunk takes. */
  constructor(options: StoreOptions, trail: Trail = () => undefined) {
    this.#options = options;
    this.#trail = trail;
    this.#pages = new PageTable(options.pages);
    this.#contents = new Contents(this.#pages, options.retainedMax, trail);
    this.#tombstones = new Tombstones({ max: options.tombstonesMax, keepMs: options.tombstoneMs });
    this.details = new StoreView({
      ...{ pages: this.#pages, contents: this.#contents, holders: this.#holders },
      ...{ admission: this.#admission, quarantine: this.#quarantine },
    });
  }

  /**
   * Runs one command at time `nowMs`. A command that cannot be accepted throws a `KvferryError` and changes nothing.
   */
  execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    this.#nowMs = nowMs;
    this.#effects = [];
    const freeBefore = this.#pages.freeCount;
    const { available } = this.#contents;
    const { reserved, waiting } = this.#admission;
    const reply = this.#run(command);
    const freed = this.#pages.freeCount - freeBefore;
    if (freed > 0) this.#effects.push({ type: 'pages.freed', count: freed });
    this.#handOver();
    const cheaper = this.#contents.takeWaitingCheaper();
    const roomier =
      this.#contents.available > available || this.#admission.reserved < reserved || this.#admission.waiting < waiting;
    if (roomier || cheaper) this.#pump();
    // Who was admitted just now may have joined an entry that nobody else can write.
    this.#handOver();
    return { reply: reply as StoreResult<C>['reply'], effects: this.#effects };
  }

  /** Pages by state; `free + writing + ready + quarantined = total`. */
  pageCounts(): PageCounts {
    const { total } = this.#pages;
    const [free, writing, ready, quarantined] = (['free', 'writing', 'ready', 'quarantined'] as const).map((state) =>
      this.#pages.count(state),
    ) as [number, number, number, number];
    const { reserved } = this.#admission;
    return { total, free, writing, ready, quarantined, reserved, retained: this.#contents.retained };
  }

  /** How long the page that is quarantined longest has been so; 0 when none is. */
  quarantineAgeMs(nowMs: number): number {
    return nowMs - (this.#quarantine.oldestSinceMs ?? nowMs);
  }

  /** Remote keys that keep a page in quarantine since before then. */
  quarantiningSince(sinceMs: number): string[] {
    return this.#quarantine.grantsSince(sinceMs);
  }

  /** Requests that wait for pages. */
  get waiting(): number {
    return this.#admission.waiting;
  }

  /** How a request ended, for as long as that is remembered; always while it holds pages. */
  tombstone(id: HolderId): Tombstone | undefined {
    const holder = this.#holders.get(nameOf(id));
    const remembered = this.#tombstones.get(id);
    if (holder?.state !== 'ready') return remembered;
    return remembered ?? { end: 'ready', reason: undefined, atMs: holder.endedAtMs };
  }

  /** The ends of every request of that name that are remembered, of whatever epoch. */
  remembered(request: string): { readonly holder: HolderId; readonly tombstone: Tombstone }[] {
    return this.#tombstones.ofRequest(request);
  }

  /** Checks that every page is accounted for: cheap enough to do all the time. As `audit`. */
  auditCounts(): string | undefined {
    const { total, free, writing, ready, quarantined, reserved } = this.pageCounts();
    if (free + writing + ready + quarantined !== total)
      return `${free} + ${writing} + ${ready} + ${quarantined} pages are not ${total}`;
    if (free !== this.#pages.freeCount) return `${free} pages are free, ${this.#pages.freeCount} are on the free list`;
    const owned = this.#contents.size - this.#contents.orphans.size;
    if (writing + ready !== owned) return `${writing + ready} pages have an owner, ${owned} keys a page`;
    if (quarantined !== this.#quarantine.size) return 'the quarantine has lost a page';
    const { available } = this.#contents;
    if (reserved < 0 || reserved > available) return `${reserved} pages are reserved, ${available} are available`;
    return undefined;
  }

  /** Checks that no page has two owners, and that each is in the state its owner says. As `audit`. */
  auditOwners(): string | undefined {
    const owners = new Map<number, string>();
    for (const { key, place, ready } of this.#contents.values()) {
      if (place === null) continue;
      const other = owners.get(place.page);
      if (other !== undefined) return `page ${place.page} belongs to ${other} and to ${key}`;
      owners.set(place.page, key);
      const state = this.#pages.state(place.page);
      if (state !== (ready ? 'ready' : 'writing')) return `page ${place.page} of ${key} is ${state}`;
      if (place.generation !== this.#pages.generation(place.page)) return `page ${place.page}: stale generation`;
    }
    for (const { page } of this.#quarantine.describe()) {
      if (owners.has(page)) return `page ${page} is quarantined and belongs to ${owners.get(page)}`;
      if (this.#pages.state(page) !== 'quarantined') return `page ${page} is in quarantine and not quarantined`;
    }
    return this.#pages.audit();
  }

  /** Checks every invariant. Returns the first that is broken, or undefined. */
  audit(): string | undefined {
    return this.auditCounts() ?? this.auditOwners() ?? this.#auditLeases();
  }

  #auditLeases(): string | undefined {
    for (const entry of this.#contents.values()) {
      const { key, place, ready, holders } = entry;
      if (place === null) {
        if (ready) return `${key} is ready and has no page`;
        if (!this.#contents.orphans.has(entry)) return `${key} has no page, and nobody looks for one`;
      } else if (!ready && place.writer.leases.get(key) !== entry) {
        return `${place.writer.name} writes ${key} without a lease`;
      }
      if ((holders.size === 0) !== this.#contents.isRetained(entry)) return `${holders.size} hold ${key}`;
      if (ready && entry.joiners.length > 0) return `${key} is ready, and somebody waits for it`;
      for (const holder of holders) {
        if (holder.leases.get(key) !== entry) return `${holder.name} does not know its lease on ${key}`;
      }
    }
    let reserved = 0;
    for (const holder of this.#holders.values()) {
      reserved += holder.reserved;
      for (const [key, entry] of holder.leases) {
        if (this.#contents.get(key) !== entry || !entry.holders.has(holder))
          return `${holder.name}: dead lease on ${key}`;
      }
    }
    if (reserved !== this.#admission.reserved) return `${reserved} pages are reserved, not ${this.#admission.reserved}`;
    return undefined;
  }

  /** Everything it knows, copied. As dear as the arena is large: for checks and for people. */
  describe(): StoreDescription {
    return {
      ...this.#pages.describe(),
      entries: [...this.#contents.values()].map((entry) => ({
        key: entry.key,
        length: entry.length,
        ready: entry.ready,
        retained: this.#contents.isRetained(entry),
        place: entry.place === null ? null : { ...entry.place, writer: entry.place.writer.name },
        holders: [...entry.holders].map((holder) => holder.name),
        joiners: entry.joiners.map(({ holder, batch }) => ({ holder: holder.name, batch })),
      })),
      holders: [...this.#holders.values()].map(
        ({ name, state, totalChunks, admitted, reserved, drained, ...holder }) => ({
          ...{ name, state, totalChunks, admitted, reserved, drained },
          refused: holder.refused !== undefined,
          batches: [...holder.batches.values()].map(({ command, allocation, parts }) => ({
            ...{ batch: command.batch, last: command.last, keys: command.keys, grant: command.grant },
            allocation,
            committed: parts.map((part) => part.committed),
          })),
          leases: [...holder.leases.keys()],
          expiresAtMs: holder.expiresAtMs,
        }),
      ),
      queue: this.#admission.names(),
      quarantine: this.#quarantine.describe(),
      grants: [...this.#grants.keys()],
      tombstones: this.#tombstones.describe(),
    };
  }

  #run(command: StoreCommand): StoreReplies[keyof StoreReplies] | undefined {
    switch (command.type) {
      case 'grant':
        this.#grants.set(command.grant, command.epoch);
        this.#trail({ action: 'granted', keys: [], detail: `${command.grant} to epoch ${command.epoch}` });
        return undefined;
      case 'fence':
        return this.#fence(command.grant);
      case 'allocate':
        return this.#allocate(command);
      case 'commit':
        return this.#commit(command);
      case 'decline':
        return this.#decline(command);
      case 'end':
        return this.#end(command.holder, command);
      case 'drained':
        return this.#drained(command.holder);
      case 'acquire':
        return this.#acquire(command);
      case 'release':
        return this.#release(command.holder, command.keys);
      case 'expire':
        return this.#expire();
    }
  }

  // --- arrival ------------------------------------------------------------------------------------------------------

  #allocate(command: Allocate): undefined {
    const name = nameOf(command.holder);
    this.#refuseEnded(command.holder);
    const known = this.#holders.get(name);
    const repeated = known?.batches.get(command.batch);
    if (known !== undefined && repeated !== undefined) return this.#repeat(known, repeated, command);
    this.#checkAllocate(command, known);
    const holder = known ?? this.#addHolder(command.holder, 'arriving', command.totalChunks);
    const batch: Batch = { command, allocation: null, bytes: 0, parts: [] };
    holder.batches.set(command.batch, batch);
    holder.chunks += command.keys.length;
    holder.highestBatch = Math.max(holder.highestBatch, command.batch);
    if (command.last) holder.lastBatch = command.batch;
    if (holder.admitted) {
      this.#place(holder, batch);
      return undefined;
    }
    if (this.#admission.admitAtOnce(holder.candidate, this.#contents.available)) return undefined;
    for (const key of command.keys) this.#contents.waitFor(holder, key);
    this.#admission.enqueue(holder.candidate);
    this.#pump();
    if (!holder.admitted && holder.refused === undefined) {
      const charge = holder.candidate.charge();
      this.#effects.push({ type: 'queued', holder: holder.id, batch: command.batch, charge });
      holder.queued = true;
      const detail = `needs ${charge} pages; ${this.#contents.available} are available`;
      this.#trail({ action: 'queued', holder: holder.id, batch: command.batch, keys: command.keys, detail });
    }
    return undefined;
  }

  /** A message that came again is answered again (P8); another message under the same number is refused. */
  #repeat(holder: Holder, batch: Batch, command: Allocate): undefined {
    if (!isSame(batch.command, command)) {
      throw new KvferryError('duplicate_batch', `batch ${command.batch} of ${holder.name} was another one`, {
        field: 'batch',
      });
    }
    if (batch.command.grant !== command.grant || !this.#grants.has(command.grant)) {
      // The pages belong to the write under the first key; under another one they would lose their fence.
      throw new KvferryError('stale_grant', `batch ${command.batch} was asked for under another grant`, {
        field: 'grant',
      });
    }
    if (batch.allocation !== null) this.#answer(holder, batch, batch.allocation, false);
    return undefined;
  }

  #checkAllocate(command: Allocate, holder: Holder | undefined): void {
    const { keys, lengths, totalChunks, batch, last } = command;
    if (this.#grants.get(command.grant) !== command.holder.epoch) {
      throw new KvferryError('stale_grant', `grant ${command.grant} is unknown or revoked`, { field: 'grant' });
    }
    if (totalChunks > this.#options.pages) {
      throw new KvferryError('request_too_large', `${totalChunks} chunks never fit ${this.#options.pages} pages`, {
        field: 'totalChunks',
      });
    }
    if (lengths.length !== keys.length)
      throw invalidField('lengths', `${lengths.length} lengths for ${keys.length} keys`);
    const tooLong = lengths.findIndex((length) => length < 1 || length > this.#options.pageBytes);
    if (tooLong >= 0) {
      throw invalidField(
        `lengths[${tooLong}]`,
        `${lengths[tooLong]} bytes do not fit a page of ${this.#options.pageBytes}`,
      );
    }
    const seen = new Set<string>();
    keys.forEach((key, position) => {
      if (seen.has(key)) throw invalidField(`keys[${position}]`, 'the key is in the batch twice');
      if (holder?.leases.has(key) || holder?.waitingKeys.has(key))
        throw invalidField(`keys[${position}]`, 'the key is in an earlier batch');
      seen.add(key);
      const entry = this.#contents.get(key);
      if (entry !== undefined && entry.length !== lengths[position]) throw lengthMismatch(entry, position, lengths);
    });
    if (keys.length === 0 && !last) throw invalidField('keys', 'only the last batch may be empty');
    if (holder !== undefined && holder.totalChunks !== totalChunks) {
      throw invalidField('totalChunks', `${totalChunks} is not ${holder.totalChunks}, as the first batch said`);
    }
    if (holder?.refused !== undefined) throw fromFailure(holder.refused);
    if (holder !== undefined && holder.state !== 'arriving') throw invalidField('request', 'a reader has this name');
    const lastBatch = last ? batch : (holder?.lastBatch ?? null);
    const highest = Math.max(batch, holder?.highestBatch ?? 0);
    if ((last && holder?.lastBatch != null) || (lastBatch !== null && highest > lastBatch)) {
      throw invalidField('batch', `batch ${highest} comes after the last one, ${lastBatch}`);
    }
    const chunks = (holder?.chunks ?? 0) + keys.length;
    const complete = lastBatch !== null && (holder?.batches.size ?? 0) + 1 === lastBatch + 1;
    if (chunks > totalChunks || (complete && chunks !== totalChunks)) {
      throw invalidField('totalChunks', `the batches have ${chunks} chunks, not ${totalChunks}`);
    }
    if (holder === undefined) this.#refuseMoreHolders();
  }

  /** How a request asks for its pages: what it would take is looked up when it is asked, not when it queued (P3). */
  #candidateOf(name: string, holder: () => Holder, totalChunks: number): Candidate {
    return {
      name,
      chunks: totalChunks,
      charge: () => totalChunks - holder().waitingHeld,
      // What no longer fits the arena is refused before anything is promised to it.
      admissible: () => [...holder().batches.values()].every((batch) => this.#fits(holder(), batch)),
      admit: () => {
        if (holder().queued) this.#trail({ action: 'admitted', holder: holder().id, keys: [] });
        holder().admitted = true;
        holder().reserved = totalChunks;
        this.#contents.stopWaiting(holder());
        for (const batch of holder().batches.values()) this.#place(holder(), batch);
      },
    };
  }

  /** Does what is in the arena have the lengths this batch says? It may have come while the batch waited. */
  #fits(holder: Holder, batch: Batch): boolean {
    const { keys, lengths, batch: number } = batch.command;
    for (const [position, key] of keys.entries()) {
      const entry = this.#contents.get(key);
      if (entry === undefined || entry.length === lengths[position]) continue;
      const reason = toFailure(lengthMismatch(entry, position, lengths));
      holder.refused = reason;
      this.#effects.push({ type: 'refused', holder: holder.id, batch: number, reason });
      return false;
    }
    return true;
  }

  /** Looks each key up and decides, in one step: write it, join its writer, or it is here (S1–S3). */
  #place(holder: Holder, batch: Batch): void {
    const { keys, lengths, grant, batch: number } = batch.command;
    const part = { positions: [] as number[], places: [] as Place[], committed: false };
    const alreadySent: number[] = [];
    const joined: number[] = [];
    // First of all: making room for what is missing must not evict what is found.
    for (const key of keys) this.#contents.revive(key);
    for (const [position, key] of keys.entries()) {
      const known = this.#contents.get(key);
      if (known === undefined) {
        const length = lengths[position] as number;
        const { entry, place } = this.#contents.add(key, length, holder, grant);
        part.positions.push(position);
        part.places.push(place);
        batch.bytes += length;
        this.#contents.lease(holder, entry);
        continue;
      }
      alreadySent.push(position);
      if (!known.ready) {
        joined.push(position);
        this.#contents.join(known, { holder, batch: number, position });
      }
      this.#contents.lease(holder, known);
    }
    holder.reserved -= keys.length;
    this.#admission.settle(keys.length);
    batch.parts.push(part);
    const pages = part.places.map((place) => place.page);
    const generations = part.places.map((place) => place.generation);
    batch.allocation = { pages, generations, alreadySent, joined };
    this.#trackPlaced(holder, batch, part.positions, batch.allocation);
    this.#answer(holder, batch, batch.allocation, true);
  }

  #trackPlaced(
    { id: holder }: Holder,
    { command: { keys, batch } }: Batch,
    written: readonly number[],
    { pages, alreadySent, joined }: Allocation,
  ): void {
    const step = { holder, batch, keys };
    if (pages.length > 0) this.#trail({ action: 'allocated', ...step, positions: written, pages });
    const [first] = joined;
    if (first !== undefined) {
      const other = this.#contents.get(keys[first] as string)?.place?.writer.id;
      this.#trail({ action: 'joined', ...step, positions: joined, other });
    }
    if (alreadySent.length === joined.length) return;
    const waits = new Set(joined);
    const positions = waits.size === 0 ? alreadySent : alreadySent.filter((position) => !waits.has(position));
    this.#trail({ action: 'deduplicated', ...step, positions });
  }

  #answer(holder: Holder, batch: Batch, allocation: Allocation, first: boolean): undefined {
    const { batch: number, last } = batch.command;
    this.#effects.push({
      type: 'allocated',
      holder: holder.id,
      batch: number,
      last,
      allocation,
      bytes: batch.bytes,
      first,
    });
    return undefined;
  }

  #commit(command: Commit): undefined {
    const holder = this.#activeHolder(command.holder);
    const { batch, part } = this.#partOf(holder, command);
    const { positions, places } = part;
    if (command.pages.length !== places.length) {
      throw new KvferryError('stale_handle', `${command.pages.length} pages committed, ${places.length} allocated`, {
        field: 'pages',
      });
    }
    if (command.generations.length !== places.length) {
      throw new KvferryError('invalid_field', 'as many generations as pages', { field: 'generations' });
    }
    const entries = positions.map((position) => holder.leases.get(batch.command.keys[position] as string) as Entry);
    places.forEach((place, index) => {
      const { page, generation } = place;
      if (
        command.pages[index] !== page ||
        command.generations[index] !== generation ||
        entries[index]?.place !== place
      ) {
        const field = command.pages[index] === page ? `generations[${index}]` : `pages[${index}]`;
        throw new KvferryError('stale_handle', `page ${command.pages[index]} is not at that generation`, { field });
      }
    });
    const wrong = entries.findIndex((entry, index) => entry.length !== command.lengths[index]);
    if (wrong >= 0 || command.lengths.length !== entries.length) {
      throw new KvferryError('length_mismatch', 'the lengths are not those that were allocated', { field: 'lengths' });
    }
    if (part.committed) return undefined;
    part.committed = true;
    const { pages } = command;
    const step = { holder: holder.id, batch: command.batch, keys: batch.command.keys, positions, pages };
    if (positions.length > 0) this.#trail({ action: 'committed', ...step });
    this.#makeReady(holder, command.batch, command.part === 0 ? 'written' : 'joined', entries);
    return undefined;
  }

  /** A batch's part, by number. Throws when it was never allocated or handed over. */
  #partOf(holder: Holder, { batch: number, part: partNumber }: Commit | Decline): { batch: Batch; part: Part } {
    const batch = holder.batches.get(number);
    const part = batch?.parts[partNumber];
    if (batch === undefined || part === undefined) {
      throw new KvferryError('stale_handle', `batch ${number} of ${holder.name} has no part ${partNumber}`, {
        field: batch === undefined || batch.allocation === null ? 'batch' : 'part',
      });
    }
    return { batch, part };
  }

  /** The bytes of these entries are here: their writer learns it, and everybody who had joined. */
  #makeReady(writer: Holder, batch: number, kind: 'written' | 'joined', entries: readonly Entry[]): void {
    const progress = new Map<string, ChunksReady>();
    const count = (to: Holder, number: number, as: 'written' | 'joined', chunks: number) => {
      const name = `${number} ${to.name}`;
      const row: ChunksReady = progress.get(name) ?? {
        ...{ type: 'chunks.ready', holder: to.id, batch: number },
        ...{ written: 0, joined: 0 },
      };
      row[as] += chunks;
      progress.set(name, row);
    };
    if (entries.length > 0) count(writer, batch, kind, entries.length);
    for (const entry of entries) {
      this.#pages.commit(entry.place?.page ?? -1);
      entry.ready = true;
      for (const joiner of entry.joiners) count(joiner.holder, joiner.batch, 'joined', 1);
      entry.joiners = nobody;
    }
    for (const ready of progress.values()) this.#effects.push(ready);
  }

  // --- hand-over ----------------------------------------------------------------------------------------------------

  /**
   * Entries that lost their writer go to the first request that has joined them and can write (P2): it still has the
   * bytes. Those before it in the queue for pages have theirs promised already; new admissions come after.
   */
  #handOver(): void {
    const handed = new Map<string, HandedOver>();
    for (const entry of this.#contents.orphans) {
      if (this.#contents.available <= this.#admission.reserved) break;
      const heir = entry.joiners.find((joiner) => this.#canWrite(joiner));
      if (heir === undefined) continue;
      const grant = this.#grantOf(heir.holder.id.epoch) as string;
      const place = this.#contents.adopt(entry, heir, grant);
      const { holder, batch: number, position } = heir;
      const name = `${number} ${holder.name}`;
      const { batch, positions, places, effect } = handed.get(name) ?? newHandOver(holder, number, grant, entry);
      positions.push(position);
      places.push(place);
      handed.set(name, { batch, positions, places, effect: { ...effect, bytes: effect.bytes + entry.length } });
    }
    for (const { batch, positions, places, effect } of handed.values()) {
      const part = batch.parts.push({ positions, places, committed: false }) - 1;
      const pages = places.map((place) => place.page);
      const generations = places.map((place) => place.generation);
      this.#effects.push({ ...effect, part, positions, pages, generations });
      const { holder, from } = effect;
      const { keys, batch: number } = batch.command;
      const detail = from === undefined ? '' : `after ${from.writer.request}: ${from.reason?.message ?? 'it is gone'}`;
      const step = { holder, batch: number, keys, positions, pages };
      this.#trail({ action: 'handed-over', ...step, other: from?.writer, detail });
    }
  }

  #canWrite({ holder, declined }: Joiner): boolean {
    const grant = this.#grantOf(holder.id.epoch);
    return !holder.drained && grant !== undefined && grant !== declined;
  }

  /** The remote key under which writes of that sender can come now: the youngest that is valid. */
  #grantOf(epoch: string): string | undefined {
    let youngest: string | undefined;
    for (const [grant, owner] of this.#grants) if (owner === epoch) youngest = grant;
    return youngest;
  }

  /** A hand-over was refused: nothing was written, and nothing will be. Somebody else may, or the same one later. */
  #decline(command: Decline): undefined {
    const holder = this.#holders.get(nameOf(command.holder));
    if (holder?.state !== 'arriving') return undefined;
    const { batch, part } = this.#partOf(holder, command);
    if (command.part === 0 || part.committed) return undefined;
    for (const [index, position] of part.positions.entries()) {
      const entry = holder.leases.get(batch.command.keys[position] as string);
      const place = part.places[index] as Place;
      if (entry === undefined || entry.place !== place) continue;
      this.#pages.free(place.page, 'page.abandoned');
      this.#contents.join(entry, { holder, batch: command.batch, position, declined: place.grant });
      this.#contents.orphan(entry);
    }
    return undefined;
  }

  // --- end ----------------------------------------------------------------------------------------------------------

  #end(id: HolderId, { end, reason }: { end: End; reason: Tombstone['reason'] }): undefined {
    const name = nameOf(id);
    const holder = this.#holders.get(name);
    // Ready requests stay ready, however late another end comes.
    if (holder !== undefined && holder.state !== 'arriving') return undefined;
    if (holder !== undefined && end === 'ready' && !isComplete(holder)) {
      throw new KvferryError('internal', `request ${name} is not complete: it cannot be ready`);
    }
    this.#tombstones.add(id, end, reason, this.#nowMs);
    this.#trackEnd(id, holder, end, reason);
    if (holder === undefined) return undefined;
    this.#admission.settle(holder.reserved);
    holder.reserved = 0;
    if (end === 'ready') {
      holder.state = 'ready';
      holder.endedAtMs = this.#nowMs;
      holder.expiresAtMs = this.#nowMs + this.#options.leaseMs;
      holder.batches.clear();
      if (holder.leases.size === 0) this.#dropHolder(holder, 'released');
      return undefined;
    }
    this.#admission.withdraw(holder.candidate);
    this.#contents.stopWaiting(holder);
    this.#holders.delete(name);
    const quarantined: { keys: string[]; pages: number[] } = { keys: [], pages: [] };
    for (const entry of holder.leases.values()) {
      const { key, ready, place } = entry;
      if (ready || place?.writer !== holder) this.#contents.unlease(holder, entry);
      else if (this.#abandon(entry, place, reason) === 'quarantined') {
        quarantined.keys.push(key);
        quarantined.pages.push(place.page);
      }
    }
    if (quarantined.keys.length > 0) this.#trail({ action: 'quarantined', holder: id, ...quarantined });
    return undefined;
  }

  #trackEnd(id: HolderId, holder: Holder | undefined, end: End, reason: Failure | undefined): void {
    const keys = end === 'ready' ? [] : [...(holder?.leases.keys() ?? [])];
    const detail = reason === undefined ? end : `${end}: ${reason.message}`;
    this.#trail({ action: 'ended', holder: id, keys, chunks: holder?.leases.size ?? 0, detail });
  }

  /** The writer of an unfinished entry is gone: its page is made safe, and whoever joined may take over. */
  #abandon(entry: Entry, { page, writer, grant }: Place, reason: Failure | undefined): 'quarantined' | 'free' {
    const isUnsafe = this.#grants.has(grant) && !writer.drained;
    if (isUnsafe) {
      this.#pages.quarantine(page);
      this.#quarantine.add(page, writer.name, grant, this.#nowMs);
    } else {
      this.#pages.free(page, 'page.abandoned');
    }
    writer.leases.delete(entry.key);
    entry.holders.delete(writer);
    entry.left = { writer: writer.id, reason };
    this.#contents.orphan(entry);
    return isUnsafe ? 'quarantined' : 'free';
  }

  #drained(id: HolderId): undefined {
    const name = nameOf(id);
    // It may come before the end it belongs to.
    const holder = this.#holders.get(name);
    if (holder !== undefined) holder.drained = true;
    const pages = this.#quarantine.takeDrained(name);
    for (const page of pages) this.#pages.free(page, 'page.drained');
    if (pages.length > 0) this.#trail({ action: 'drained', holder: id, keys: [], pages, chunks: pages.length });
    return undefined;
  }

  #fence(grant: string): undefined {
    this.#grants.delete(grant);
    const pages = this.#quarantine.takeFenced(grant);
    for (const page of pages) this.#pages.free(page, 'page.fenced');
    this.#trail({ action: 'fenced', keys: [], pages, chunks: pages.length, detail: `${grant} is revoked` });
    return undefined;
  }

  // --- readers ------------------------------------------------------------------------------------------------------

  #acquire({ holder: id, keys, from = 0, limit = Number.POSITIVE_INFINITY }: Acquire): StoreReplies['acquire'] {
    const known = this.#holders.get(nameOf(id));
    if (known === undefined) this.#refuseEnded(id);
    if (known?.state === 'arriving') {
      throw new KvferryError('request_active', `request ${id.request} is not ready`, { field: 'request' });
    }
    if (known === undefined) {
      if (keys === undefined) throw unknownRequest(id.request);
      this.#refuseMoreHolders();
    }
    const held = known?.leases.size ?? 0;
    const wanted = keys ?? [...(known?.leases.keys() ?? [])].slice(from, from + limit);
    const found: AcquiredPage[] = [];
    const missing: string[] = [];
    const holder = known ?? this.#addHolder(id, 'reader', 0);
    for (const key of wanted) {
      const entry = this.#contents.get(key);
      if (entry?.ready && entry.place !== null && this.#mayLease(entry)) {
        this.#contents.lease(holder, entry);
        const { page, generation } = entry.place;
        found.push({ key, page, generation, length: entry.length });
      } else {
        missing.push(key);
      }
    }
    holder.expiresAtMs = this.#nowMs + this.#options.leaseMs;
    if (holder.leases.size === 0) this.#holders.delete(holder.name);
    const pages = found.map(({ page }) => page);
    this.#trail({ action: 'acquired', holder: id, keys: found.map(({ key }) => key), pages });
    return keys === undefined && from + limit < held ? { found, missing, next: from + limit } : { found, missing };
  }

  /** A retained page may be promised to a request that was admitted: then it is as good as gone. */
  #mayLease(entry: Entry): boolean {
    return !this.#contents.isRetained(entry) || this.#contents.available > this.#admission.reserved;
  }

  #release(id: HolderId, keys: readonly string[] | undefined): StoreReplies['release'] {
    const holder = this.#holders.get(nameOf(id));
    if (holder === undefined) {
      const tombstone = this.tombstone(id);
      if (tombstone === undefined) throw unknownRequest(id.request);
      if (tombstone.end !== 'ready') throw new RequestEndedError(id.request, tombstone.end, tombstone.reason);
      return { existed: (keys ?? []).filter((key) => this.#contents.has(key)).length, freedPages: 0 };
    }
    if (holder.state === 'arriving') {
      throw new KvferryError('request_active', `request ${id.request} is not ready: cancel it`, { field: 'request' });
    }
    const before = this.#contents.available;
    let existed = 0;
    const released = keys ?? [...holder.leases.keys()];
    for (const key of released) {
      const entry = this.#contents.get(key);
      if (entry === undefined) continue;
      existed += 1;
      if (entry.holders.has(holder)) this.#contents.unlease(holder, entry);
    }
    this.#trail({ action: 'released', holder: id, keys: released });
    if (holder.leases.size === 0) this.#dropHolder(holder, 'released');
    return { existed, freedPages: this.#contents.available - before };
  }

  #expire(): undefined {
    this.#tombstones.prune(this.#nowMs);
    for (const holder of this.#holders.values()) {
      if (holder.state === 'arriving' || holder.expiresAtMs > this.#nowMs) continue;
      this.#trail({ action: 'expired', holder: holder.id, keys: [...holder.leases.keys()] });
      for (const entry of holder.leases.values()) this.#contents.unlease(holder, entry);
      this.#dropHolder(holder, 'expired');
    }
    return undefined;
  }

  // --- parts --------------------------------------------------------------------------------------------------------

  #addHolder(id: HolderId, state: Holder['state'], totalChunks: number): Holder {
    const holder: Holder = {
      id,
      name: nameOf(id),
      state,
      totalChunks,
      admitted: false,
      queued: false,
      refused: undefined,
      reserved: 0,
      batches: new Map(),
      chunks: 0,
      highestBatch: 0,
      lastBatch: null,
      waitingKeys: new Set(),
      waitingHeld: 0,
      candidate: this.#candidateOf(nameOf(id), () => holder, totalChunks),
      leases: new Map(),
      drained: false,
      expiresAtMs: this.#nowMs + this.#options.leaseMs,
      endedAtMs: this.#nowMs,
    };
    this.#holders.set(holder.name, holder);
    return holder;
  }

  #dropHolder(holder: Holder, cause: 'released' | 'expired'): void {
    this.#holders.delete(holder.name);
    this.#effects.push({ type: 'leases.ended', holder: holder.id, cause });
  }

  #activeHolder(id: HolderId): Holder {
    const holder = this.#holders.get(nameOf(id));
    if (holder?.state === 'arriving') return holder;
    this.#refuseEnded(id);
    throw unknownRequest(id.request);
  }

  #refuseEnded(id: HolderId): void {
    const tombstone = this.tombstone(id);
    if (tombstone !== undefined) throw new RequestEndedError(id.request, tombstone.end, tombstone.reason);
  }

  #refuseMoreHolders(): void {
    if (this.#holders.size < this.#options.holdersMax) return;
    throw new KvferryError('too_many_requests', `${this.#holders.size} requests are in progress`, { field: 'request' });
  }

  #pump(): void {
    this.#admission.pump(() => this.#contents.available);
  }
}

type ChunksReady = EffectOf<'chunks.ready'> & { written: number; joined: number };

/** What is handed over to one batch in one step. */
interface HandedOver {
  readonly batch: Batch;
  readonly positions: number[];
  readonly places: Place[];
  readonly effect: Omit<EffectOf<'handed.over'>, 'part' | 'positions' | 'pages' | 'generations'>;
}

function newHandOver(holder: Holder, number: number, grant: string, { left }: Entry): HandedOver {
  const effect = { type: 'handed.over' as const, holder: holder.id, batch: number, grant, bytes: 0, from: left };
  return { batch: holder.batches.get(number) as Batch, positions: [], places: [], effect };
}

/** Is every batch here, and every byte of it? */
function isComplete(holder: Holder): boolean {
  if (holder.lastBatch === null || holder.batches.size !== holder.lastBatch + 1 || !holder.admitted) return false;
  return holder.leases.size === holder.chunks && [...holder.leases.values()].every((entry) => entry.ready);
}

function isSame(one: Allocate, other: Allocate): boolean {
  return (
    one.last === other.last &&
    one.totalChunks === other.totalChunks &&
    one.keys.length === other.keys.length &&
    one.lengths.length === other.lengths.length &&
    one.keys.every((key, position) => key === other.keys[position]) &&
    one.lengths.every((length, position) => length === other.lengths[position])
  );
}

function lengthMismatch(entry: Entry, position: number, lengths: readonly number[]): KvferryError {
  const message = `the key is in the arena with ${entry.length} bytes, not ${lengths[position]}`;
  return new KvferryError('length_mismatch', message, { field: `keys[${position}]` });
}
