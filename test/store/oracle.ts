/**
 * A slow, plain model of the store and of the senders' writes, which checks every answer of a real store. It knows what
 * the store cannot know: which bytes are in each page, and which write may still land there.
 */
import { expect } from 'vitest';
import { KvferryError } from '../../src/protocol/errors.js';
import type { End } from '../../src/protocol/subjects.js';
import type { StoreCommand, StoreEffect } from '../../src/store/commands.js';
import type { HolderId } from '../../src/store/holder.js';
import { Store, type StoreOptions } from '../../src/store/store.js';

type Command<T extends StoreCommand['type']> = Extract<StoreCommand, { type: T }>;
type Effect<T extends StoreEffect['type']> = Extract<StoreEffect, { type: T }>;

interface Entry {
  readonly key: string;
  readonly page: number;
  readonly generation: number;
  readonly length: number;
  readonly writer: string;
  readonly grant: string;
  ready: boolean;
  readonly holders: Set<string>;
}

interface Batch {
  readonly command: Command<'allocate'>;
  allocated: Effect<'allocated'> | undefined;
  refused: boolean;
  /** Entries whose bytes are not here yet: written by this batch, and joined. */
  readonly writing: Set<Entry>;
  readonly joining: Set<Entry>;
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

/** What a sender may write, until it has delivered everything or gave up and drained. */
interface Right {
  readonly holder: string;
  readonly effect: Effect<'allocated'>;
  readonly contents: readonly string[];
  grant: string;
  delivered: boolean;
}

export class Oracle {
  readonly #store: Store;
  readonly #options: StoreOptions;
  readonly #arena: (string | undefined)[];
  readonly #grants = new Set<string>();
  readonly #entries = new Map<string, Entry>();
  readonly #quarantine = new Map<number, Entry>();
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
    const right = this.#rights.get(`${nameOf(id)} ${batch}`);
    if (right === undefined || right.delivered || this.#stopped.has(right.holder) || !this.#grants.has(right.grant))
      return;
    for (const [index, page] of right.effect.allocation.pages.entries()) {
      const owner = [...this.#entries.values(), ...this.#quarantine.values()].find((entry) => entry.page === page);
      expect(owner?.writer, `a late write of ${right.holder} lands in page ${page}`).toBe(right.holder);
      expect(owner?.generation).toBe(right.effect.allocation.generations[index]);
      expect(owner?.ready).toBe(false);
      this.#arena[page] = right.contents[index];
    }
  }

  /** The commit that an honest sender would send now: all its bytes have been delivered. */
  commitOf(id: HolderId, batch: number): Command<'commit'> | undefined {
    const right = this.#rights.get(`${nameOf(id)} ${batch}`);
    if (right === undefined || this.#stopped.has(right.holder)) return undefined;
    if (!right.delivered) {
      if (!this.#grants.has(right.grant)) return undefined;
      this.write(id, batch);
      right.delivered = true;
    }
    const { pages, generations } = right.effect.allocation;
    const lengths = right.contents.map((content) => Number(content.split(' ')[1]));
    return { type: 'commit', holder: id, batch, pages, generations, lengths };
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
      batches.every((batch) => batch.writing.size === 0 && batch.joining.size === 0)
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
    return { count: batches.length, uncommitted: batches.find(([, batch]) => batch.writing.size > 0)?.[0] };
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
        this.#grants.add(command.grant);
        return [];
      case 'fence':
        this.#grants.delete(command.grant);
        for (const [page, entry] of this.#quarantine) if (entry.grant === command.grant) this.#quarantine.delete(page);
        return [];
      case 'drained': {
        const name = nameOf(command.holder);
        for (const [page, entry] of this.#quarantine) if (entry.writer === name) this.#quarantine.delete(page);
        const holder = this.#holders.get(name);
        if (holder !== undefined) holder.drained = true;
        return [];
      }
      case 'allocate':
        return this.#applyAllocate(command);
      case 'commit':
        return this.#applyCommit(command);
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
      writing: new Set(),
      joining: new Set(),
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
    for (const entry of batch.writing) {
      expect(this.#arena[entry.page]).toBe(`${entry.key} ${entry.length}`);
      entry.ready = true;
      tell(batch, 'written');
      for (const other of this.#batches()) if (other.joining.delete(entry)) tell(other, 'joined');
    }
    batch.writing.clear();
    return [...told.values()];
  }

  #applyEnd({ holder: id, end, reason }: Command<'end'>): StoreEffect[] {
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
    const told: StoreEffect[] = [];
    for (const key of [...holder.leases]) {
      const entry = this.#entries.get(key) as Entry;
      if (entry.ready || entry.writer !== name) {
        this.#unlease(name, key);
        continue;
      }
      this.#entries.delete(key);
      if (!holder.drained && this.#grants.has(entry.grant)) this.#quarantine.set(entry.page, entry);
      for (const other of entry.holders) {
        if (other === name) continue;
        const joiner = this.#holders.get(other) as Holder;
        joiner.leases.delete(key);
        joiner.doomed = true;
        for (const batch of joiner.batches.values()) batch.joining.delete(entry);
        told.push({ type: 'writer.failed', holder: joiner.id, key, writer: id, reason });
      }
    }
    return told;
  }

  #applyAcquire({ holder: id, keys }: Command<'acquire'>): unknown {
    const name = nameOf(id);
    const holder = this.#holders.get(name) ?? this.#addHolder(id, 'reader', 0);
    expect(holder.state).not.toBe('arriving');
    const found: unknown[] = [];
    const missing: string[] = [];
    for (const key of keys ?? [...holder.leases]) {
      const entry = this.#entries.get(key);
      if (!entry?.ready) {
        missing.push(key);
        continue;
      }
      expect(this.#arena[entry.page], 'what is found is what was written').toBe(`${key} ${entry.length}`);
      entry.holders.add(name);
      holder.leases.add(key);
      found.push({ key, page: entry.page, generation: entry.generation, length: entry.length });
    }
    holder.expiresAtMs = this.#nowMs + this.#options.leaseMs;
    holder.acquired = true;
    if (holder.leases.size === 0) this.#holders.delete(name);
    return { found, missing };
  }

  #applyRelease({ holder: id, keys }: Command<'release'>, told: StoreEffect[]): unknown {
    const name = nameOf(id);
    const holder = this.#holders.get(name);
    const free = this.#free();
    let existed = 0;
    for (const key of keys ?? [...(holder?.leases ?? [])]) {
      if (!this.#entries.has(key)) continue;
      existed += 1;
      if (holder?.leases.has(key)) this.#unlease(name, key);
    }
    if (holder !== undefined) told.push(...this.#dropIfEmpty(name, holder));
    return { existed, freedPages: this.#free() - free };
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
    if (entry.holders.size === 0 && entry.ready) this.#entries.delete(key);
  }

  // --- what the store decided ---------------------------------------------------------------------------------------

  #follow(effect: StoreEffect, command: StoreCommand): void {
    if (effect.type !== 'allocated' && effect.type !== 'queued' && effect.type !== 'refused') return;
    const holder = this.#holders.get(nameOf(effect.holder));
    const batch = holder?.batches.get(effect.batch);
    if (holder === undefined || batch === undefined) throw new Error(`${effect.type} for ${nameOf(effect.holder)}`);
    if (effect.type === 'queued') {
      expect(this.#queue.has(holder)).toBe(true);
      expect(effect.charge).toBe(this.#charge(holder));
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
    let next = 0;
    for (const [position, key] of keys.entries()) {
      const length = lengths[position] as number;
      const entry = this.#entries.get(key);
      expect(alreadySent.includes(position)).toBe(entry !== undefined);
      expect(joined.includes(position)).toBe(entry !== undefined && !entry.ready);
      if (entry === undefined) {
        const page = pages[next] as number;
        this.#assertNobodyWrites(page);
        const generation = generations[next] as number;
        next += 1;
        const added = { key, page, generation, length, writer: name, grant, ready: false, holders: new Set([name]) };
        this.#entries.set(key, added);
        batch.writing.add(added);
      } else {
        expect(entry.length).toBe(length);
        if (entry.ready)
          expect(this.#arena[entry.page], 'ready means that the bytes are here').toBe(`${key} ${length}`);
        else batch.joining.add(entry);
        entry.holders.add(name);
      }
      holder.leases.add(key);
    }
  }

  /** The page is free, and no write can land there. */
  #assertNobodyWrites(page: number): void {
    for (const entry of [...this.#entries.values(), ...this.#quarantine.values()]) {
      expect(entry.page, `page ${page} is handed out twice`).not.toBe(page);
    }
    for (const right of this.#rights.values()) {
      const over = right.delivered || this.#stopped.has(right.holder) || !this.#grants.has(right.grant);
      expect(!over && right.effect.allocation.pages.includes(page), `${right.holder} may write page ${page}`).toBe(
        false,
      );
    }
  }

  /** The sender gets its answer. It writes under the remote key it asked with last. */
  #giveRight(effect: Effect<'allocated'>, batch: Batch, command: StoreCommand): void {
    const holder = nameOf(effect.holder);
    const name = `${holder} ${effect.batch}`;
    const right = this.#rights.get(name);
    const grant = command.type === 'allocate' && !effect.first ? command.grant : batch.command.grant;
    if (right !== undefined) {
      right.grant = grant;
      return;
    }
    const contents = batch.command.keys
      .map((key, position) => `${key} ${batch.command.lengths[position]}`)
      .filter((_, position) => !effect.allocation.alreadySent.includes(position));
    this.#rights.set(name, { holder, effect, contents, grant, delivered: false });
  }

  // --- what must hold after every command ---------------------------------------------------------------------------

  #check(): void {
    expect(this.#store.audit()).toBeUndefined();
    const counts = this.#counts();
    const ready = [...this.#entries.values()].filter((entry) => entry.ready).length;
    const placed = (holder: Holder) =>
      [...holder.batches.values()].reduce(
        (sum, { allocated, refused, command }) => sum + (allocated !== undefined || refused ? command.keys.length : 0),
        0,
      );
    const reserved = [...this.#holders.values()]
      .filter((holder) => holder.state === 'arriving' && !this.#queue.has(holder))
      .filter((holder) => ![...holder.batches.values()].some((batch) => batch.refused))
      .reduce((sum, holder) => sum + holder.total - placed(holder), 0);
    expect(counts).toEqual({
      total: this.#options.pages,
      free: this.#free(),
      writing: this.#entries.size - ready,
      ready,
      quarantined: this.#quarantine.size,
      reserved,
      waiting: this.#queue.size,
    });
    expect(reserved).toBeLessThanOrEqual(counts.free);
    const [head, ...others] = this.#queue;
    if (head !== undefined) {
      expect(this.#charge(head), 'the first in the queue waits although it fits').toBeGreaterThan(
        counts.free - reserved,
      );
    }
    for (const other of others) expect(this.#charge(other), 'who needs no page does not wait').toBeGreaterThan(0);
    for (const { id, end } of this.#ends.values()) expect(this.#store.tombstone(id)?.end).toBe(end);
  }

  /** Everything was given back: nothing may be left. */
  checkEmpty(): void {
    expect(this.#counts()).toEqual({
      total: this.#options.pages,
      free: this.#options.pages,
      writing: 0,
      ready: 0,
      quarantined: 0,
      reserved: 0,
      waiting: 0,
    });
  }

  #charge(holder: Holder): number {
    const keys = [...holder.batches.values()].flatMap((batch) => batch.command.keys);
    return holder.total - keys.filter((key) => this.#entries.has(key)).length;
  }

  #counts() {
    return { ...this.#store.pageCounts(), waiting: this.#store.waiting };
  }

  #free(): number {
    return this.#options.pages - this.#entries.size - this.#quarantine.size;
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

/** Effects that a command must have, in contrast to those that say what the store decided. */
function isTold(effect: StoreEffect): boolean {
  return effect.type !== 'allocated' && effect.type !== 'queued' && effect.type !== 'refused';
}

function sorted(effects: readonly StoreEffect[]): string[] {
  return effects.map((effect) => JSON.stringify(Object.entries(effect).sort())).sort();
}
