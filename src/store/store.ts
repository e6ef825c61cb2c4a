/**
 * The store's rules: page table, keys, leases, admission, tombstones. Pure: `execute` takes one command and the time,
 * and returns the answer and the effects; it never waits, and nothing decided in one command is used by another
 * without being looked up again (P3). The store actor (`src/actors/store-actor.ts`) is the only one that holds it.
 *
 * Who owns what:
 * - an *entry* is one key in the arena; it owns exactly one page, `writing` until its bytes are committed (P1).
 * - a *lease* is the pair (holder, entry), kept once on each side; it is a set, so releasing twice is releasing once (P4).
 *   An entry that is ready and has no lease is removed and its page freed (S8).
 * - a page whose writer gave up while a write may land belongs to the quarantine, until drained or fenced.
 */
import type { Allocation } from '../../machines/transfer.js';
import { fromFailure, RequestEndedError, toFailure, unknownRequest } from '../protocol/codec.js';
import { KvferryError } from '../protocol/errors.js';
import type { Failure, PageCounts } from '../protocol/fields.js';
import type { End } from '../protocol/subjects.js';
import { Admission, type Candidate } from './admission.js';
import type { AcquiredPage, StoreCommand, StoreEffect, StoreReplies } from './commands.js';
import type { StoreDescription } from './description.js';
import { type HolderId, nameOf } from './holder.js';
import { PageTable } from './page-table.js';
import { type Tombstone, Tombstones } from './tombstones.js';

export interface StoreOptions {
  readonly pages: number;
  readonly pageBytes: number;
  /** Leases end this long after the last `acquire`, or after the request became ready. */
  readonly leaseMs: number;
  readonly tombstonesMax: number;
  readonly tombstoneMs: number;
  /** Requests and readers that may hold something, or wait, at once. */
  readonly holdersMax: number;
}

interface Entry {
  readonly key: string;
  readonly page: number;
  readonly generation: number;
  readonly length: number;
  readonly writer: Holder;
  readonly grant: string;
  ready: boolean;
  readonly holders: Set<Holder>;
  /** Requests that joined while the writer writes, with the batch in which they did. */
  readonly joiners: { readonly holder: Holder; readonly batch: number }[];
}

interface Batch {
  readonly command: Extract<StoreCommand, { type: 'allocate' }>;
  /** Null while the request waits for admission. */
  allocation: Allocation | null;
  bytes: number;
  committed: boolean;
}

interface Holder {
  readonly id: HolderId;
  readonly name: string;
  /** A request that is arriving, one that is ready, or a reader that came with `acquire`. */
  state: 'arriving' | 'ready' | 'reader';
  readonly totalChunks: number;
  admitted: boolean;
  /** Why it will never be admitted. */
  refused: Failure | undefined;
  /** Pages promised to it that no batch has asked for yet. */
  reserved: number;
  readonly batches: Map<number, Batch>;
  chunks: number;
  highestBatch: number;
  lastBatch: number | null;
  /** Keys of batches that wait for admission, and how many of them are in the arena now. */
  readonly waitingKeys: Set<string>;
  waitingPresent: number;
  readonly candidate: Candidate;
  readonly leases: Map<string, Entry>;
  /** No write of it can land any more, and none will be started: what its sender says last. */
  drained: boolean;
  expiresAtMs: number;
  endedAtMs: number;
}

interface QuarantinedPage {
  readonly writer: string;
  readonly grant: string;
}

type Allocate = Extract<StoreCommand, { type: 'allocate' }>;
type Acquire = Extract<StoreCommand, { type: 'acquire' }>;
type Commit = Extract<StoreCommand, { type: 'commit' }>;

/** The answer of a command and what follows from it. */
export type StoreResult<C extends StoreCommand> = {
  readonly reply: C['type'] extends keyof StoreReplies ? StoreReplies[C['type']] : undefined;
  readonly effects: readonly StoreEffect[];
};

export class Store {
  readonly #options: StoreOptions;
  readonly #pages: PageTable;
  readonly #entries = new Map<string, Entry>();
  readonly #holders = new Map<string, Holder>();
  readonly #admission = new Admission();
  readonly #tombstones: Tombstones;
  readonly #grants = new Set<string>();
  readonly #quarantine = new Map<number, QuarantinedPage>();
  /** Requests that wait for admission, by the keys they will ask for. */
  readonly #waitingFor = new Map<string, Set<Holder>>();
  #effects: StoreEffect[] = [];
  #nowMs = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#pages = new PageTable(options.pages);
    this.#tombstones = new Tombstones({ max: options.tombstonesMax, keepMs: options.tombstoneMs });
  }

  /**
   * Runs one command at time `nowMs`. A command that cannot be accepted throws a `KvferryError` and changes nothing.
   */
  execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    this.#nowMs = nowMs;
    this.#effects = [];
    const freeBefore = this.#pages.freeCount;
    const { reserved, waiting } = this.#admission;
    const reply = this.#run(command);
    const freed = this.#pages.freeCount - freeBefore;
    if (freed > 0) this.#effects.push({ type: 'pages.freed', count: freed });
    const roomier = freed > 0 || this.#admission.reserved < reserved || this.#admission.waiting < waiting;
    if (roomier) this.#pump();
    return { reply: reply as StoreResult<C>['reply'], effects: this.#effects };
  }

  /** Pages by state; `free + writing + ready + quarantined = total`. */
  pageCounts(): PageCounts {
    const { total } = this.#pages;
    const [free, writing, ready, quarantined] = (['free', 'writing', 'ready', 'quarantined'] as const).map((state) =>
      this.#pages.count(state),
    ) as [number, number, number, number];
    return { total, free, writing, ready, quarantined, reserved: this.#admission.reserved };
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

  /** Checks that every page is accounted for: cheap enough to do all the time. As `audit`, which checks everything. */
  auditCounts(): string | undefined {
    const { total, free, writing, ready, quarantined, reserved } = this.pageCounts();
    if (free + writing + ready + quarantined !== total)
      return `${free} + ${writing} + ${ready} + ${quarantined} pages are not ${total}`;
    if (free !== this.#pages.freeCount) return `${free} pages are free, ${this.#pages.freeCount} are on the free list`;
    if (writing + ready !== this.#entries.size)
      return `${writing + ready} pages have an owner, ${this.#entries.size} keys a page`;
    if (quarantined !== this.#quarantine.size) return 'the quarantine has lost a page';
    if (reserved < 0 || reserved > free) return `${reserved} pages are reserved, ${free} are free`;
    return undefined;
  }

  /** Checks every invariant that spans the parts. Returns the first that is broken, or undefined. */
  audit(): string | undefined {
    const owners = new Map<number, string>();
    for (const entry of this.#entries.values()) {
      const other = owners.get(entry.page);
      if (other !== undefined) return `page ${entry.page} belongs to ${other} and to ${entry.key}`;
      owners.set(entry.page, entry.key);
      const state = this.#pages.state(entry.page);
      if (state !== (entry.ready ? 'ready' : 'writing')) return `page ${entry.page} of ${entry.key} is ${state}`;
      if (entry.generation !== this.#pages.generation(entry.page)) return `page ${entry.page}: stale generation`;
      if (entry.holders.size === 0) return `nobody holds ${entry.key}`;
      for (const holder of entry.holders) {
        if (holder.leases.get(entry.key) !== entry) return `${holder.name} does not know its lease on ${entry.key}`;
      }
    }
    for (const [page] of this.#quarantine) {
      if (owners.has(page)) return `page ${page} is quarantined and belongs to ${owners.get(page)}`;
      if (this.#pages.state(page) !== 'quarantined') return `page ${page} is in quarantine and not quarantined`;
    }
    let reserved = 0;
    for (const holder of this.#holders.values()) {
      reserved += holder.reserved;
      for (const [key, entry] of holder.leases) {
        if (this.#entries.get(key) !== entry || !entry.holders.has(holder))
          return `${holder.name}: dead lease on ${key}`;
      }
    }
    if (reserved !== this.#admission.reserved) return `${reserved} pages are reserved, not ${this.#admission.reserved}`;
    if (reserved > this.#pages.freeCount) return `${reserved} pages are reserved, ${this.#pages.freeCount} are free`;
    if (this.#quarantine.size !== this.#pages.count('quarantined')) return 'the quarantine has lost a page';
    return this.#pages.audit();
  }

  /** Everything it knows, copied. As dear as the arena is large: for checks and for people. */
  describe(): StoreDescription {
    return {
      ...this.#pages.describe(),
      entries: [...this.#entries.values()].map(({ key, page, generation, length, ready, grant, ...entry }) => ({
        ...{ key, page, generation, length, ready, grant },
        writer: entry.writer.name,
        holders: [...entry.holders].map((holder) => holder.name),
        joiners: entry.joiners.map(({ holder, batch }) => ({ holder: holder.name, batch })),
      })),
      holders: [...this.#holders.values()].map(
        ({ name, state, totalChunks, admitted, reserved, drained, ...holder }) => ({
          ...{ name, state, totalChunks, admitted, reserved, drained },
          refused: holder.refused !== undefined,
          batches: [...holder.batches.values()].map(({ command, allocation, committed }) => ({
            ...{ batch: command.batch, last: command.last, keys: command.keys, grant: command.grant },
            allocation,
            committed,
          })),
          leases: [...holder.leases.keys()],
          expiresAtMs: holder.expiresAtMs,
        }),
      ),
      queue: this.#admission.names(),
      quarantine: [...this.#quarantine].map(([page, { writer, grant }]) => ({ page, writer, grant })),
      grants: [...this.#grants],
      tombstones: this.#tombstones.describe(),
    };
  }

  #run(command: StoreCommand): StoreReplies[keyof StoreReplies] | undefined {
    switch (command.type) {
      case 'grant':
        this.#grants.add(command.grant);
        return undefined;
      case 'fence':
        return this.#fence(command.grant);
      case 'allocate':
        return this.#allocate(command);
      case 'commit':
        return this.#commit(command);
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
    const batch: Batch = { command, allocation: null, bytes: 0, committed: false };
    holder.batches.set(command.batch, batch);
    holder.chunks += command.keys.length;
    holder.highestBatch = Math.max(holder.highestBatch, command.batch);
    if (command.last) holder.lastBatch = command.batch;
    if (holder.admitted) {
      this.#place(holder, batch);
      return undefined;
    }
    for (const key of command.keys) this.#waitFor(holder, key);
    this.#admission.enqueue(holder.candidate);
    this.#pump();
    if (!holder.admitted && holder.refused === undefined) {
      const charge = holder.candidate.charge();
      this.#effects.push({ type: 'queued', holder: holder.id, batch: command.batch, charge });
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
    const invalid = (field: string, message: string) => new KvferryError('invalid_field', message, { field });
    const { keys, lengths, totalChunks, batch, last } = command;
    if (!this.#grants.has(command.grant)) {
      throw new KvferryError('stale_grant', `grant ${command.grant} is unknown or revoked`, { field: 'grant' });
    }
    if (totalChunks > this.#options.pages) {
      throw new KvferryError('request_too_large', `${totalChunks} chunks never fit ${this.#options.pages} pages`, {
        field: 'totalChunks',
      });
    }
    if (lengths.length !== keys.length) throw invalid('lengths', `${lengths.length} lengths for ${keys.length} keys`);
    const tooLong = lengths.findIndex((length) => length < 1 || length > this.#options.pageBytes);
    if (tooLong >= 0) {
      throw invalid(`lengths[${tooLong}]`, `${lengths[tooLong]} bytes do not fit a page of ${this.#options.pageBytes}`);
    }
    const seen = new Set<string>();
    keys.forEach((key, position) => {
      if (seen.has(key)) throw invalid(`keys[${position}]`, 'the key is in the batch twice');
      if (holder?.leases.has(key) || holder?.waitingKeys.has(key))
        throw invalid(`keys[${position}]`, 'the key is in an earlier batch');
      seen.add(key);
      const entry = this.#entries.get(key);
      if (entry !== undefined && entry.length !== lengths[position]) throw lengthMismatch(entry, position, lengths);
    });
    if (keys.length === 0 && !last) throw invalid('keys', 'only the last batch may be empty');
    if (holder !== undefined && holder.totalChunks !== totalChunks) {
      throw invalid('totalChunks', `${totalChunks} is not ${holder.totalChunks}, as the first batch said`);
    }
    if (holder?.refused !== undefined) throw fromFailure(holder.refused);
    if (holder !== undefined && holder.state !== 'arriving') throw invalid('request', 'a reader has this name');
    const lastBatch = last ? batch : (holder?.lastBatch ?? null);
    const highest = Math.max(batch, holder?.highestBatch ?? 0);
    if ((last && holder?.lastBatch != null) || (lastBatch !== null && highest > lastBatch)) {
      throw invalid('batch', `batch ${highest} comes after the last one, ${lastBatch}`);
    }
    const chunks = (holder?.chunks ?? 0) + keys.length;
    const complete = lastBatch !== null && (holder?.batches.size ?? 0) + 1 === lastBatch + 1;
    if (chunks > totalChunks || (complete && chunks !== totalChunks)) {
      throw invalid('totalChunks', `the batches have ${chunks} chunks, not ${totalChunks}`);
    }
    if (holder === undefined) this.#refuseMoreHolders();
  }

  /** How a request asks for its pages: what it would take is looked up when it is asked, not when it queued (P3). */
  #candidateOf(name: string, holder: () => Holder, totalChunks: number): Candidate {
    return {
      name,
      chunks: totalChunks,
      charge: () => totalChunks - holder().waitingPresent,
      // What no longer fits the arena is refused before anything is promised to it.
      admissible: () => [...holder().batches.values()].every((batch) => this.#fits(holder(), batch)),
      admit: () => {
        holder().admitted = true;
        holder().reserved = totalChunks;
        this.#stopWaiting(holder());
        for (const batch of holder().batches.values()) this.#place(holder(), batch);
      },
    };
  }

  /** Does what is in the arena have the lengths this batch says? It may have come while the batch waited. */
  #fits(holder: Holder, batch: Batch): boolean {
    const { keys, lengths, batch: number } = batch.command;
    for (const [position, key] of keys.entries()) {
      const entry = this.#entries.get(key);
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
    const allocation = {
      pages: [] as number[],
      generations: [] as number[],
      alreadySent: [] as number[],
      joined: [] as number[],
    };
    keys.forEach((key, position) => {
      let entry = this.#entries.get(key);
      if (entry === undefined) {
        const length = lengths[position] as number;
        entry = this.#addEntry(key, length, holder, grant);
        allocation.pages.push(entry.page);
        allocation.generations.push(entry.generation);
        batch.bytes += length;
      } else {
        allocation.alreadySent.push(position);
        if (!entry.ready) {
          allocation.joined.push(position);
          entry.joiners.push({ holder, batch: number });
        }
      }
      this.#lease(holder, entry);
    });
    holder.reserved -= keys.length;
    this.#admission.settle(keys.length);
    batch.allocation = allocation;
    this.#answer(holder, batch, allocation, true);
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
    const batch = holder.batches.get(command.batch);
    if (batch === undefined || batch.allocation === null) {
      throw new KvferryError('stale_handle', `batch ${command.batch} of ${holder.name} was never allocated`, {
        field: 'batch',
      });
    }
    const { pages, generations } = batch.allocation;
    if (command.pages.length !== pages.length) {
      throw new KvferryError('stale_handle', `${command.pages.length} pages committed, ${pages.length} allocated`, {
        field: 'pages',
      });
    }
    if (command.generations.length !== pages.length) {
      throw new KvferryError('invalid_field', 'as many generations as pages', { field: 'generations' });
    }
    pages.forEach((page, index) => {
      const current = this.#pages.generation(page);
      if (
        command.pages[index] !== page ||
        command.generations[index] !== generations[index] ||
        current !== generations[index]
      ) {
        const field = command.pages[index] === page ? `generations[${index}]` : `pages[${index}]`;
        throw new KvferryError('stale_handle', `page ${command.pages[index]} is not at that generation`, { field });
      }
    });
    const entries = this.#writtenEntries(holder, batch);
    const wrong = entries.findIndex((entry, index) => entry.length !== command.lengths[index]);
    if (wrong >= 0 || command.lengths.length !== entries.length) {
      throw new KvferryError('length_mismatch', 'the lengths are not those that were allocated', { field: 'lengths' });
    }
    if (batch.committed) return undefined;
    batch.committed = true;
    const progress = new Map<
      string,
      Extract<StoreEffect, { type: 'chunks.ready' }> & { written: number; joined: number }
    >();
    const count = (to: Holder, number: number, kind: 'written' | 'joined') => {
      const name = `${number} ${to.name}`;
      const row = progress.get(name) ?? {
        type: 'chunks.ready' as const,
        holder: to.id,
        batch: number,
        written: 0,
        joined: 0,
      };
      row[kind] += 1;
      progress.set(name, row);
    };
    for (const entry of entries) {
      this.#pages.commit(entry.page);
      entry.ready = true;
      count(holder, command.batch, 'written');
      for (const joiner of entry.joiners) count(joiner.holder, joiner.batch, 'joined');
      entry.joiners.length = 0;
    }
    for (const ready of progress.values()) this.#effects.push(ready);
    return undefined;
  }

  /** The entries this batch writes, in order. They live as long as their writer is arriving. */
  #writtenEntries(holder: Holder, batch: Batch): Entry[] {
    const deduplicated = new Set(batch.allocation?.alreadySent);
    return batch.command.keys
      .filter((_, position) => !deduplicated.has(position))
      .map((key) => holder.leases.get(key) as Entry);
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
    this.#stopWaiting(holder);
    this.#holders.delete(name);
    for (const entry of holder.leases.values()) {
      if (!entry.ready && entry.writer === holder) this.#abandon(entry, reason);
      else this.#unlease(holder, entry);
    }
    return undefined;
  }

  /** The writer of an unfinished entry is gone: the entry goes, everyone who joined learns it, the page is made safe. */
  #abandon(entry: Entry, reason: Failure | undefined): void {
    const writer = entry.writer;
    this.#removeEntry(entry);
    if (this.#grants.has(entry.grant) && !writer.drained) {
      this.#pages.quarantine(entry.page);
      this.#quarantine.set(entry.page, { writer: writer.name, grant: entry.grant });
    } else {
      this.#pages.free(entry.page, 'page.abandoned');
    }
    for (const holder of entry.holders) {
      holder.leases.delete(entry.key);
      if (holder !== writer) {
        this.#effects.push({ type: 'writer.failed', holder: holder.id, key: entry.key, writer: writer.id, reason });
      }
    }
    entry.holders.clear();
  }

  #drained(id: HolderId): undefined {
    const name = nameOf(id);
    // It may come before the end it belongs to.
    const holder = this.#holders.get(name);
    if (holder !== undefined) holder.drained = true;
    for (const [page, { writer }] of this.#quarantine) {
      if (writer === name) this.#leaveQuarantine(page, 'page.drained');
    }
    return undefined;
  }

  #fence(grant: string): undefined {
    this.#grants.delete(grant);
    for (const [page, quarantined] of this.#quarantine) {
      if (quarantined.grant === grant) this.#leaveQuarantine(page, 'page.fenced');
    }
    return undefined;
  }

  #leaveQuarantine(page: number, event: 'page.drained' | 'page.fenced'): void {
    this.#quarantine.delete(page);
    this.#pages.free(page, event);
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
      const entry = this.#entries.get(key);
      if (entry?.ready) {
        this.#lease(holder, entry);
        found.push({ key, page: entry.page, generation: entry.generation, length: entry.length });
      } else {
        missing.push(key);
      }
    }
    holder.expiresAtMs = this.#nowMs + this.#options.leaseMs;
    if (holder.leases.size === 0) this.#holders.delete(holder.name);
    return keys === undefined && from + limit < held ? { found, missing, next: from + limit } : { found, missing };
  }

  #release(id: HolderId, keys: readonly string[] | undefined): StoreReplies['release'] {
    const holder = this.#holders.get(nameOf(id));
    if (holder === undefined) {
      const tombstone = this.tombstone(id);
      if (tombstone === undefined) throw unknownRequest(id.request);
      if (tombstone.end !== 'ready') throw new RequestEndedError(id.request, tombstone.end, tombstone.reason);
      return { existed: (keys ?? []).filter((key) => this.#entries.has(key)).length, freedPages: 0 };
    }
    if (holder.state === 'arriving') {
      throw new KvferryError('request_active', `request ${id.request} is not ready: cancel it`, { field: 'request' });
    }
    const before = this.#pages.freeCount;
    let existed = 0;
    for (const key of keys ?? [...holder.leases.keys()]) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      existed += 1;
      if (entry.holders.has(holder)) this.#unlease(holder, entry);
    }
    if (holder.leases.size === 0) this.#dropHolder(holder, 'released');
    return { existed, freedPages: this.#pages.freeCount - before };
  }

  #expire(): undefined {
    this.#tombstones.prune(this.#nowMs);
    for (const holder of this.#holders.values()) {
      if (holder.state === 'arriving' || holder.expiresAtMs > this.#nowMs) continue;
      for (const entry of holder.leases.values()) this.#unlease(holder, entry);
      this.#dropHolder(holder, 'expired');
    }
    return undefined;
  }

  // --- parts --------------------------------------------------------------------------------------------------------

  #addEntry(key: string, length: number, writer: Holder, grant: string): Entry {
    const { page, generation } = this.#pages.allocate();
    const entry: Entry = {
      key,
      page,
      generation,
      length,
      writer,
      grant,
      ready: false,
      holders: new Set(),
      joiners: [],
    };
    this.#entries.set(key, entry);
    for (const holder of this.#waitingFor.get(key) ?? []) holder.waitingPresent += 1;
    return entry;
  }

  #removeEntry(entry: Entry): void {
    this.#entries.delete(entry.key);
    for (const holder of this.#waitingFor.get(entry.key) ?? []) holder.waitingPresent -= 1;
  }

  /** What a waiting request would be charged follows the arena, so that asking for it costs nothing (P3, P8). */
  #waitFor(holder: Holder, key: string): void {
    const holders = this.#waitingFor.get(key);
    if (holders === undefined) this.#waitingFor.set(key, new Set([holder]));
    else holders.add(holder);
    holder.waitingKeys.add(key);
    if (this.#entries.has(key)) holder.waitingPresent += 1;
  }

  #stopWaiting(holder: Holder): void {
    for (const key of holder.waitingKeys) {
      const holders = this.#waitingFor.get(key);
      holders?.delete(holder);
      if (holders?.size === 0) this.#waitingFor.delete(key);
    }
    holder.waitingKeys.clear();
    holder.waitingPresent = 0;
  }

  #lease(holder: Holder, entry: Entry): void {
    holder.leases.set(entry.key, entry);
    entry.holders.add(holder);
  }

  #unlease(holder: Holder, entry: Entry): void {
    holder.leases.delete(entry.key);
    entry.holders.delete(holder);
    const joined = entry.joiners.findIndex((joiner) => joiner.holder === holder);
    if (joined >= 0) entry.joiners.splice(joined, 1);
    if (entry.holders.size > 0 || !entry.ready) return;
    this.#removeEntry(entry);
    this.#pages.free(entry.page, 'page.released');
  }

  #addHolder(id: HolderId, state: Holder['state'], totalChunks: number): Holder {
    const holder: Holder = {
      id,
      name: nameOf(id),
      state,
      totalChunks,
      admitted: false,
      refused: undefined,
      reserved: 0,
      batches: new Map(),
      chunks: 0,
      highestBatch: 0,
      lastBatch: null,
      waitingKeys: new Set(),
      waitingPresent: 0,
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
    this.#admission.pump(() => this.#pages.freeCount);
  }
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
