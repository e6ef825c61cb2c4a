/**
 * A slow, plain model of the store and of the senders' writes, which checks every answer of a real store. It knows what
 * the store cannot know: which bytes are in each page, and which write may still land there.
 *
 * The model is written from the promises (S1 to S16, P1 to P18) and shares types with the store, but no code: with shared code,
 * the store and its check would make the same mistake, and no test would see it. This is why rules stand here a second time.
 */
import { expect } from 'vitest';
import { KvferryError } from '../../src/protocol/errors.js';
import type { End } from '../../src/protocol/subjects.js';
import type { StoreCommand, StoreEffect } from '../../src/store/commands.js';
import type { HolderId } from '../../src/store/holder.js';
import { Store, type StoreOptions } from '../../src/store/store.js';

type Command<T extends StoreCommand['type']> = Extract<StoreCommand, { type: T }>;
type Effect<T extends StoreEffect['type']> = Extract<StoreEffect, { type: T }>;

interface Place {
  readonly page: number;
  readonly generation: number;
  readonly writer: string;
  readonly grant: string;
}

interface Entry {
  readonly key: string;
  readonly length: number;
  /** Undefined while nobody writes it. */
  place: Place | undefined;
  ready: boolean;
  readonly holders: Set<string>;
}

interface Batch {
  readonly command: Command<'allocate'>;
  allocated: Effect<'allocated'> | undefined;
  refused: boolean;
  /** Entries whose bytes are not here yet: written by this batch, by part, and joined. */
  readonly writing: Map<number, Set<Entry>>;
  readonly joining: Set<Entry>;
  /** Joined entries that it would not write under that remote key. */
  readonly declined: Map<Entry, string>;
}

interface Holder {
  readonly id: HolderId;
  state: 'arriving' | 'ready' | 'reader';
  readonly total: number;
  readonly batches: Map<number, Batch>;
  readonly leases: Set<string>;
  expiresAtMs: number;
  acquired: boolean;
  drained: boolean;
  /** It was told that it cannot become ready. */
  doomed: boolean;
}

/** What a sender may write, until it has delivered everything, gave up and drained, or declined. */
interface Right {
  readonly holder: string;
  readonly batch: number;
  readonly part: number;
  readonly pages: readonly number[];
  readonly generations: readonly number[];
  readonly contents: readonly string[];
  grant: string;
  delivered: boolean;
  declined: boolean;
}

export class Oracle {
  readonly #store: Store;
  readonly #options: StoreOptions;
  readonly #arena: (string | undefined)[];
  /** Valid remote keys, oldest first, and whose they are. */
  readonly #grants = new Map<string, string>();
  readonly #entries = new Map<string, Entry>();
  /** Ready and held by nobody, least recently used first. */
  readonly #retained: Entry[] = [];
  readonly #quarantine = new Map<number, Place>();
  readonly #holders = new Map<string, Holder>();
  readonly #ends = new Map<string, { id: HolderId; end: End }>();
  readonly #rights = new Map<string, Right>();
  readonly #stopped = new Set<string>();
  /** Requests that wait for pages, in the order of their first batch. */
  readonly #queue = new Set<Holder>();
  #nowMs = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#store = new Store(options);
    this.#arena = new Array(options.pages).fill(undefined);
  }

  wait(ms: number): void {
    this.#nowMs += ms;
  }

  /** The fabric: bytes land where the sender was told, unless its remote key was revoked. */
  write(id: HolderId, batch: number): void {
    for (const right of this.#rightsOf(id, batch)) this.#land(right);
  }

  #land(right: Right): void {
    if (right.delivered || this.#stopped.has(right.holder) || !this.#grants.has(right.grant)) return;
    for (const [index, page] of right.pages.entries()) {
      const entry = [...this.#entries.values()].find(({ place }) => place?.page === page);
      const owner = entry?.place ?? this.#quarantine.get(page);
      expect(owner?.writer, `a late write of ${right.holder} lands in page ${page}`).toBe(right.holder);
      expect(owner?.generation).toBe(right.generations[index]);
      expect(entry?.ready ?? false).toBe(false);
      this.#arena[page] = right.contents[index];
    }
  }

  /**
   * The commits that an honest sender would send now for a batch, what it was allocated and what was handed over to it:
   * all those bytes have been delivered.
   */
  commitsOf(id: HolderId, batch: number): Command<'commit'>[] {
    const commits: Command<'commit'>[] = [];
    for (const right of this.#rightsOf(id, batch)) {
      if (this.#stopped.has(right.holder)) continue;
      if (!right.delivered) {
        if (!this.#grants.has(right.grant)) continue;
        this.#land(right);
        right.delivered = true;
      }
      const { part, pages, generations } = right;
      const lengths = right.contents.map((content) => Number(content.split(' ')[1]));
      commits.push({ type: 'commit', holder: id, batch, part, pages, generations, lengths });
    }
    return commits;
  }

  /** The sender's refusal of what was handed over to a batch last, if it has written nothing of it. */
  declineOf(id: HolderId, batch: number): Command<'decline'> | undefined {
    const right = this.#rightsOf(id, batch).findLast(({ part, delivered }) => part > 0 && !delivered);
    if (right === undefined || this.#stopped.has(right.holder)) return undefined;
    right.declined = true;
    return { type: 'decline', holder: id, batch, part: right.part };
  }

  #rightsOf(id: HolderId, batch: number): Right[] {
    return [...this.#rights.values()].filter(
      (right) => right.holder === nameOf(id) && right.batch === batch && !right.declined,
    );
  }

  /** The sender stops all writes of a request: from now on it may say that it has drained. */
  stop(id: HolderId): void {
    this.#stopped.add(nameOf(id));
  }

  isComplete(id: HolderId): boolean {
    const holder = this.#holders.get(nameOf(id));
    if (holder === undefined || holder.state !== 'arriving' || holder.doomed || this.#queue.has(holder)) return false;
    const batches = [...holder.batches.values()];
    const last = batches.find((batch) => batch.command.last);
    return (
      last !== undefined &&
      batches.length === last.command.batch + 1 &&
      batches.every((batch) => !isWriting(batch) && batch.joining.size === 0)
    );
  }

  isReady(id: HolderId): boolean {
    return this.#holders.get(nameOf(id))?.state === 'ready';
  }

  hasAcquired(id: HolderId): boolean {
    return this.#holders.get(nameOf(id))?.acquired === true;
  }

  /** Batches that have come, and the first of them that still has bytes to commit. */
  batchesOf(id: HolderId): { count: number; uncommitted: number | undefined } {
    const batches = [...(this.#holders.get(nameOf(id))?.batches ?? [])];
    return { count: batches.length, uncommitted: batches.find(([, batch]) => isWriting(batch))?.[0] };
  }

  isArriving(id: HolderId): boolean {
    return this.#holders.get(nameOf(id))?.state === 'arriving';
  }

  /** Everybody who was ever named. */
  everybody(): HolderId[] {
    return [...this.#holders.values(), ...this.#ends.values()].map((known) => known.id);
  }

  /** A command that nobody honest would send: it must be refused, and change nothing. */
  refuse(command: StoreCommand): void {
    const before = this.#counts();
    expect(() => this.#store.execute(command, this.#nowMs), JSON.stringify(command)).toThrow(KvferryError);
    expect(this.#counts()).toEqual(before);
    this.#check();
  }

  /** Runs a command, compares what it does with what it must do. Undefined when it was refused. */
  run(command: StoreCommand): { reply: unknown; effects: readonly StoreEffect[] } | undefined {
    const before = this.#counts();
    const freeBefore = this.#free();
    let result: { reply: unknown; effects: readonly StoreEffect[] };
    try {
      result = this.#store.execute(command, this.#nowMs);
    } catch (error) {
      if (!(error instanceof KvferryError) || error.code === 'internal') throw error;
      expect(this.#counts(), 'a refused command changes nothing').toEqual(before);
      expect(this.#store.audit()).toBeUndefined();
      return undefined;
    }
    const told = this.#apply(command, result.reply);
    const freed = this.#free() - freeBefore;
    expect(sorted(result.effects.filter((effect) => isTold(effect)))).toEqual(
      sorted([...told, ...(freed > 0 ? [{ type: 'pages.freed' as const, count: freed }] : [])]),
    );
    for (const effect of result.effects) this.#follow(effect, command);
    this.#check();
    return result;
  }

  // --- what a command must do ---------------------------------------------------------------------------------------

  #apply(command: StoreCommand, reply: unknown): StoreEffect[] {
    switch (command.type) {
      case 'grant':
        this.#grants.set(command.grant, command.epoch);
        return [];
      case 'fence':
        this.#grants.delete(command.grant);
        for (const [page, place] of this.#quarantine) if (place.grant === command.grant) this.#quarantine.delete(page);
        return [];
      case 'drained': {
        const name = nameOf(command.holder);
        for (const [page, place] of this.#quarantine) if (place.writer === name) this.#quarantine.delete(page);
        const holder = this.#holders.get(name);
        if (holder !== undefined) holder.drained = true;
        return [];
      }
      case 'allocate':
        return this.#applyAllocate(command);
      case 'commit':
        return this.#applyCommit(command);
      case 'decline':
        this.#applyDecline(command);
        return [];
      case 'end':
        return this.#applyEnd(command);
      case 'acquire':
        expect(reply).toEqual(this.#applyAcquire(command));
        return [];
      case 'release': {
        const told: StoreEffect[] = [];
        expect(reply).toEqual(this.#applyRelease(command, told));
        return told;
      }
      case 'expire': {
        const told: StoreEffect[] = [];
        for (const [name, holder] of this.#holders) {
          if (holder.state === 'arriving' || holder.expiresAtMs > this.#nowMs) continue;
          for (const key of holder.leases) this.#unlease(name, key);
          this.#holders.delete(name);
          told.push({ type: 'leases.ended', holder: holder.id, cause: 'expired' });
        }
        return told;
      }
    }
  }

  #applyAllocate(command: Command<'allocate'>): [] {
    const name = nameOf(command.holder);
    expect(this.#ends.has(name), 'an ended request is not admitted again').toBe(false);
    const holder = this.#holders.get(name) ?? this.#addHolder(command.holder, 'arriving', command.totalChunks);
    expect(holder.state).toBe('arriving');
    const known = holder.batches.get(command.batch);
    if (known !== undefined) {
      expect(command).toEqual(known.command);
      return [];
    }
    if (holder.batches.size === 0) this.#queue.add(holder);
    holder.batches.set(command.batch, {
      command,
      allocated: undefined,
      refused: false,
      writing: new Map(),
      joining: new Set(),
      declined: new Map(),
    });
    return [];
  }

  #applyCommit(command: Command<'commit'>): StoreEffect[] {
    const name = nameOf(command.holder);
    const batch = this.#holders.get(name)?.batches.get(command.batch);
    if (batch === undefined) throw new Error(`accepted a commit for batch ${command.batch} of ${name}`);
    const told = new Map<
      Batch,
      { type: 'chunks.ready'; holder: HolderId; batch: number; written: number; joined: number }
    >();
    const tell = (to: Batch, kind: 'written' | 'joined') => {
      const { holder, batch: number } = to.command;
      const effect = told.get(to) ?? { type: 'chunks.ready', holder, batch: number, written: 0, joined: 0 };
      effect[kind] += 1;
      told.set(to, effect);
    };
    for (const entry of batch.writing.get(command.part) ?? []) {
      expect(this.#bytesOf(entry)).toBe(`${entry.key} ${entry.length}`);
      entry.ready = true;
      tell(batch, command.part === 0 ? 'written' : 'joined');
      for (const other of this.#batches()) if (other.joining.delete(entry)) tell(other, 'joined');
    }
    batch.writing.delete(command.part);
    return [...told.values()];
  }

  #applyDecline({ holder: id, batch: number, part }: Command<'decline'>): void {
    const batch = this.#holders.get(nameOf(id))?.batches.get(number);
    for (const entry of batch?.writing.get(part) ?? []) {
      entry.place = undefined;
      batch?.joining.add(entry);
      batch?.declined.set(entry, this.#rights.get(`${nameOf(id)} ${number} ${part}`)?.grant ?? '');
    }
    batch?.writing.delete(part);
  }

  #applyEnd({ holder: id, end }: Command<'end'>): StoreEffect[] {
    const name = nameOf(id);
    const holder = this.#holders.get(name);
    if (holder !== undefined && holder.state !== 'arriving') return [];
    if (!this.#ends.has(name)) this.#ends.set(name, { id, end });
    if (holder === undefined) return [];
    this.#queue.delete(holder);
    if (end === 'ready') {
      holder.state = 'ready';
      holder.expiresAtMs = this.#nowMs + this.#options.leaseMs;
      holder.batches.clear();
      return this.#dropIfEmpty(name, holder);
    }
    this.#holders.delete(name);
    for (const key of [...holder.leases]) {
      const entry = this.#entries.get(key) as Entry;
      const { place } = entry;
      if (entry.ready || place?.writer !== name) {
        this.#unlease(name, key);
        continue;
      }
      if (!holder.drained && this.#grants.has(place.grant)) this.#quarantine.set(place.page, place);
      entry.holders.delete(name);
      entry.place = undefined;
      if (entry.holders.size === 0) this.#entries.delete(key);
    }
    return [];
  }

  #applyAcquire({ holder: id, keys }: Command<'acquire'>): unknown {
    const name = nameOf(id);
    const holder = this.#holders.get(name) ?? this.#addHolder(id, 'reader', 0);
    expect(holder.state).not.toBe('arriving');
    const found: unknown[] = [];
    const missing: string[] = [];
    for (const key of keys ?? [...holder.leases]) {
      const entry = this.#entries.get(key);
      const promised = entry?.holders.size === 0 && this.#available() <= this.#reserved();
      if (!entry?.ready || entry.place === undefined || promised) {
        missing.push(key);
        continue;
      }
      const { page, generation } = entry.place;
      expect(this.#arena[page], 'what is found is what was written').toBe(`${key} ${entry.length}`);
      this.#lease(holder, entry);
      found.push({ key, page, generation, length: entry.length });
    }
    holder.expiresAtMs = this.#nowMs + this.#options.leaseMs;
    holder.acquired = true;
    if (holder.leases.size === 0) this.#holders.delete(name);
    return { found, missing };
  }

  #applyRelease({ holder: id, keys }: Command<'release'>, told: StoreEffect[]): unknown {
    const name = nameOf(id);
    const holder = this.#holders.get(name);
    const available = this.#available();
    let existed = 0;
    for (const key of keys ?? [...(holder?.leases ?? [])]) {
      if (!this.#entries.has(key)) continue;
      existed += 1;
      if (holder?.leases.has(key)) this.#unlease(name, key);
    }
    if (holder !== undefined) told.push(...this.#dropIfEmpty(name, holder));
    return { existed, freedPages: this.#available() - available };
  }

  #dropIfEmpty(name: string, holder: Holder): StoreEffect[] {
    if (holder.leases.size > 0) return [];
    this.#holders.delete(name);
    return [{ type: 'leases.ended', holder: holder.id, cause: 'released' }];
  }

  #unlease(name: string, key: string): void {
    const entry = this.#entries.get(key) as Entry;
    const holder = this.#holders.get(name);
    holder?.leases.delete(key);
    entry.holders.delete(name);
    for (const batch of holder?.batches.values() ?? []) batch.joining.delete(entry);
    if (entry.holders.size > 0) return;
    if (!entry.ready) {
      this.#entries.delete(key);
      return;
    }
    this.#retained.push(entry);
    if (this.#retained.length > this.#options.retainedMax) this.#evict();
  }

  #revive(key: string): void {
    const kept = this.#retained.findIndex((entry) => entry.key === key);
    if (kept >= 0) this.#retained.splice(kept, 1);
  }

  #bytesOf({ place }: Entry): string | undefined {
    return this.#arena[place?.page ?? -1];
  }

  #lease(holder: Holder, entry: Entry): void {
    this.#revive(entry.key);
    entry.holders.add(nameOf(holder.id));
    holder.leases.add(entry.key);
  }

  /** The page of the entry that was used longest ago. */
  #evict(): number | undefined {
    const oldest = this.#retained.shift();
    if (oldest !== undefined) this.#entries.delete(oldest.key);
    return oldest?.place?.page;
  }

  // --- what the store decided ---------------------------------------------------------------------------------------

  #follow(effect: StoreEffect, command: StoreCommand): void {
    if (isTold(effect)) return;
    const holder = this.#holders.get(nameOf(effect.holder));
    const batch = holder?.batches.get(effect.batch);
    if (holder === undefined || batch === undefined) throw new Error(`${effect.type} for ${nameOf(effect.holder)}`);
    if (effect.type === 'queued') {
      expect(this.#queue.has(holder)).toBe(true);
      expect(effect.charge).toBe(this.#charge(holder));
      return;
    }
    if (effect.type === 'handed.over') {
      this.#followHandOver(holder, batch, effect);
      return;
    }
    this.#queue.delete(holder);
    if (effect.type === 'refused') {
      const { keys, lengths } = batch.command;
      expect(keys.some((key, index) => (this.#entries.get(key)?.length ?? lengths[index]) !== lengths[index])).toBe(
        true,
      );
      batch.refused = true;
      holder.doomed = true;
      return;
    }
    if (effect.first) this.#place(holder, batch, effect);
    else expect(effect).toEqual({ ...batch.allocated, first: false });
    this.#giveRight(effect, batch, command);
  }

  #place(holder: Holder, batch: Batch, effect: Effect<'allocated'>): void {
    expect(batch.allocated, 'a batch is placed once').toBeUndefined();
    batch.allocated = effect;
    const name = nameOf(holder.id);
    const { keys, lengths, grant } = batch.command;
    const { pages, generations, alreadySent, joined } = effect.allocation;
    expect(pages.length + alreadySent.length).toBe(keys.length);
    expect(generations.length).toBe(pages.length);
    for (const key of keys) this.#revive(key);
    const written = new Set<Entry>();
    for (const [position, key] of keys.entries()) {
      const length = lengths[position] as number;
      const known = this.#entries.get(key);
      expect(alreadySent.includes(position)).toBe(known !== undefined);
      expect(joined.includes(position)).toBe(known?.ready === false);
      if (known !== undefined) {
        expect(known.length).toBe(length);
        if (known.ready) expect(this.#bytesOf(known), 'ready means that the bytes are here').toBe(`${key} ${length}`);
        else batch.joining.add(known);
        this.#lease(holder, known);
        continue;
      }
      const page = pages[written.size] as number;
      this.#assertAvailable(page);
      const place = { page, generation: generations[written.size] as number, writer: name, grant };
      const entry = { key, length, place, ready: false, holders: new Set<string>() };
      this.#entries.set(key, entry);
      this.#lease(holder, entry);
      written.add(entry);
    }
    if (written.size > 0) batch.writing.set(0, written);
  }

  /** One that had joined becomes the writer: the first that can, on a page that nobody else may write to. */
  #followHandOver(holder: Holder, batch: Batch, effect: Effect<'handed.over'>): void {
    const { part, grant, positions, pages, generations, bytes } = effect;
    const { keys, lengths } = batch.command;
    expect(this.#youngestGrant(holder.id.epoch)).toBe(grant);
    const taken = new Set<Entry>();
    for (const [index, position] of positions.entries()) {
      const entry = this.#entries.get(keys[position] as string) as Entry;
      expect(entry.place, 'only what nobody writes is handed over').toBeUndefined();
      expect(batch.joining.delete(entry), 'only to one that had joined').toBe(true);
      const page = pages[index] as number;
      this.#assertAvailable(page);
      entry.place = { page, generation: generations[index] as number, writer: nameOf(holder.id), grant };
      taken.add(entry);
    }
    expect(bytes).toBe(positions.reduce((sum, position) => sum + (lengths[position] as number), 0));
    batch.writing.set(part, taken);
    const contents = positions.map((position) => `${keys[position]} ${lengths[position]}`);
    const name = nameOf(holder.id);
    const right = { holder: name, batch: effect.batch, part, pages, generations, contents, grant };
    this.#rights.set(`${name} ${effect.batch} ${part}`, { ...right, delivered: false, declined: false });
  }

  #youngestGrant(epoch: string): string | undefined {
    return [...this.#grants].findLast(([, owner]) => owner === epoch)?.[0];
  }

  /** The page is free, or that of the entry that must make room, and no write can land there. */
  #assertAvailable(page: number): void {
    if (this.#free() === 0) expect(this.#evict(), 'the one used longest ago makes room').toBe(page);
    const owned = [...this.#entries.values()].flatMap(({ place }) => (place === undefined ? [] : [place.page]));
    expect([...owned, ...this.#quarantine.keys()], `page ${page} is handed out twice`).not.toContain(page);
    for (const right of this.#rights.values()) {
      const over =
        right.delivered || right.declined || this.#stopped.has(right.holder) || !this.#grants.has(right.grant);
      expect(!over && right.pages.includes(page), `${right.holder} may write page ${page}`).toBe(false);
    }
  }

  /** The sender gets its answer. It writes under the remote key it asked with last. */
  #giveRight(effect: Effect<'allocated'>, batch: Batch, command: StoreCommand): void {
    const holder = nameOf(effect.holder);
    const name = `${holder} ${effect.batch} 0`;
    const right = this.#rights.get(name);
    const grant = command.type === 'allocate' && !effect.first ? command.grant : batch.command.grant;
    if (right !== undefined) {
      right.grant = grant;
      return;
    }
    const contents = batch.command.keys
      .map((key, position) => `${key} ${batch.command.lengths[position]}`)
      .filter((_, position) => !effect.allocation.alreadySent.includes(position));
    const { pages, generations } = effect.allocation;
    const named = { holder, batch: effect.batch, part: 0, pages, generations, contents, grant };
    this.#rights.set(name, { ...named, delivered: false, declined: false });
  }

  // --- what must hold after every command ---------------------------------------------------------------------------

  #check(): void {
    expect(this.#store.audit()).toBeUndefined();
    const counts = this.#counts();
    const entries = [...this.#entries.values()];
    const ready = entries.filter((entry) => entry.ready).length;
    const reserved = this.#reserved();
    expect(counts).toEqual({
      total: this.#options.pages,
      free: this.#free(),
      writing: entries.filter((entry) => !entry.ready && entry.place !== undefined).length,
      ready,
      quarantined: this.#quarantine.size,
      reserved,
      retained: this.#retained.length,
      waiting: this.#queue.size,
    });
    expect(reserved).toBeLessThanOrEqual(this.#available());
    const [head, ...others] = this.#queue;
    if (head !== undefined) {
      expect(this.#charge(head), 'the first in the queue waits although it fits').toBeGreaterThan(
        this.#available() - reserved,
      );
    }
    if (this.#available() > reserved) {
      const canWrite = (batch: Batch, entry: Entry) => {
        const grant = this.#youngestGrant(batch.command.holder.epoch);
        const drained = this.#holders.get(nameOf(batch.command.holder))?.drained === true;
        return batch.joining.has(entry) && !drained && grant !== undefined && batch.declined.get(entry) !== grant;
      };
      for (const entry of entries.filter(({ place }) => place === undefined)) {
        const heir = this.#batches().find((batch) => canWrite(batch, entry));
        expect(heir?.command.holder, `nobody writes ${entry.key} although somebody could`).toBeUndefined();
      }
    }
    for (const other of others) expect(this.#charge(other), 'who needs no page does not wait').toBeGreaterThan(0);
    for (const { id, end } of this.#ends.values()) expect(this.#store.tombstone(id)?.end).toBe(end);
  }

  /** Everything was given back: nothing may be left but cache. */
  checkEmpty(): void {
    const retained = this.#retained.length;
    const nothing = { writing: 0, quarantined: 0, reserved: 0, waiting: 0 };
    const total = this.#options.pages;
    expect(this.#counts()).toEqual({ ...nothing, total, free: total - retained, ready: retained, retained });
  }

  #reserved(): number {
    const placed = (holder: Holder) =>
      [...holder.batches.values()].reduce(
        (sum, { allocated, refused, command }) => sum + (allocated !== undefined || refused ? command.keys.length : 0),
        0,
      );
    return [...this.#holders.values()]
      .filter((holder) => holder.state === 'arriving' && !this.#queue.has(holder))
      .filter((holder) => ![...holder.batches.values()].some((batch) => batch.refused))
      .reduce((sum, holder) => sum + holder.total - placed(holder), 0);
  }

  #charge(holder: Holder): number {
    const keys = [...holder.batches.values()].flatMap((batch) => batch.command.keys);
    return holder.total - keys.filter((key) => (this.#entries.get(key)?.holders.size ?? 0) > 0).length;
  }

  #counts() {
    return { ...this.#store.pageCounts(), waiting: this.#store.waiting };
  }

  #free(): number {
    const owned = [...this.#entries.values()].filter(({ place }) => place !== undefined).length;
    return this.#options.pages - owned - this.#quarantine.size;
  }

  #available(): number {
    return this.#free() + this.#retained.length;
  }

  #batches(): Batch[] {
    return [...this.#holders.values()].flatMap((holder) => [...holder.batches.values()]);
  }

  #addHolder(id: HolderId, state: Holder['state'], total: number): Holder {
    const holder: Holder = {
      id,
      state,
      total,
      batches: new Map(),
      leases: new Set(),
      expiresAtMs: this.#nowMs + this.#options.leaseMs,
      acquired: false,
      drained: false,
      doomed: false,
    };
    this.#holders.set(nameOf(id), holder);
    return holder;
  }
}

function nameOf(id: HolderId): string {
  return `${id.epoch}/${id.request}`;
}

function isWriting(batch: Batch): boolean {
  return [...batch.writing.values()].some((entries) => entries.size > 0);
}

/** Effects that a command must have, in contrast to those that say what the store decided. */
function isTold(effect: StoreEffect): effect is Effect<'chunks.ready' | 'leases.ended' | 'pages.freed'> {
  return !['allocated', 'queued', 'refused', 'handed.over'].includes(effect.type);
}

function sorted(effects: readonly StoreEffect[]): string[] {
  return effects.map((effect) => JSON.stringify(Object.entries(effect).sort())).sort();
}
