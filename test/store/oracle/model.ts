/** The oracle's own picture of the store: entries, holders, quarantine, queue, and the senders' rights to write. */
import type { End } from '../../../src/protocol/subjects.js';
import type { HolderId } from '../../../src/store/holder.js';
import type { CommandOf, EffectOf } from '../../../src/store/messages.js';
import type { StoreOptions } from '../../../src/store/options.js';

export interface Place {
  readonly page: number;
  readonly generation: number;
  readonly writer: string;
  readonly grant: string;
}

export interface Entry {
  readonly key: string;
  readonly length: number;
  /** Undefined while the entry has no writer. */
  place: Place | undefined;
  ready: boolean;
  readonly holders: Set<string>;
}

export interface Batch {
  readonly command: CommandOf<'allocate'>;
  allocated: EffectOf<'allocated'> | undefined;
  refused: boolean;
  /** Entries whose bytes have not arrived and which this batch writes, by part. */
  readonly writing: Map<number, Set<Entry>>;
  /** Entries whose bytes have not arrived and which this batch has joined. */
  readonly joining: Set<Entry>;
  /** Joined entries that the request declined to write, each with the remote key of that time. */
  readonly declined: Map<Entry, string>;
}

export interface Holder {
  readonly id: HolderId;
  state: 'arriving' | 'ready' | 'reader';
  readonly total: number;
  readonly batches: Map<number, Batch>;
  readonly leases: Set<string>;
  expiresAtMs: number;
  /** When the leases were renewed last, as a number in the order of all renewals. */
  renewal: number;
  acquired: boolean;
  drained: boolean;
  /** The store has refused a batch: the request cannot become ready. */
  doomed: boolean;
}

/** Pages that a sender may write, until it has delivered the bytes, has drained, or has declined. */
export interface Right {
  readonly holder: string;
  readonly batch: number;
  readonly part: number;
  readonly pages: readonly number[];
  readonly generations: readonly number[];
  readonly contents: readonly string[];
  readonly grant: string;
  /** Some of the bytes have landed, or may land. */
  taken: boolean;
  delivered: boolean;
  /** The sender has proven that it writes none of it. */
  declined: boolean;
  /** The sender has refused it without a proof: its bytes may still land, and it commits none of them. */
  doubtful: boolean;
}

export class Model {
  readonly options: StoreOptions;
  readonly arena: (string | undefined)[];
  /** Valid remote keys and their owners' epochs, oldest first. */
  readonly grants = new Map<string, string>();
  readonly entries = new Map<string, Entry>();
  /** Ready entries without a lease, least recently used first. */
  readonly retained: Entry[] = [];
  readonly quarantine = new Map<number, Place>();
  readonly holders = new Map<string, Holder>();
  readonly ends = new Map<string, { id: HolderId; end: End }>();
  readonly rights = new Map<string, Right>();
  readonly stopped = new Set<string>();
  /** Requests that wait for pages, in the order of their first batches. */
  readonly queue = new Set<Holder>();
  nowMs = 0;
  #renewals = 0;

  constructor(options: StoreOptions) {
    this.options = options;
    this.arena = new Array(options.pages).fill(undefined);
  }

  unlease(name: string, key: string): void {
    const entry = this.entries.get(key) as Entry;
    const holder = this.holders.get(name);
    holder?.leases.delete(key);
    entry.holders.delete(name);
    for (const batch of holder?.batches.values() ?? []) batch.joining.delete(entry);
    if (entry.holders.size > 0) return;
    if (!entry.ready) {
      this.entries.delete(key);
      return;
    }
    this.retained.push(entry);
    if (this.retained.length > this.options.retainedMax) this.evict();
  }

  revive(key: string): void {
    const kept = this.retained.findIndex((entry) => entry.key === key);
    if (kept >= 0) this.retained.splice(kept, 1);
  }

  bytesOf({ place }: Entry): string | undefined {
    return this.arena[place?.page ?? -1];
  }

  lease(holder: Holder, entry: Entry): void {
    this.revive(entry.key);
    entry.holders.add(nameOf(holder.id));
    holder.leases.add(entry.key);
  }

  renew(holder: Holder): void {
    this.#renewals += 1;
    holder.renewal = this.#renewals;
    holder.expiresAtMs = this.nowMs + this.options.leaseMs;
  }

  /** The holders whose leases are over, the first to end first. */
  expired(): Holder[] {
    return [...this.holders.values()]
      .filter(({ state, expiresAtMs }) => state !== 'arriving' && expiresAtMs <= this.nowMs)
      .sort((a, b) => a.renewal - b.renewal);
  }

  /** Drops the least recently used retained entry. Returns its page. */
  evict(): number | undefined {
    const oldest = this.retained.shift();
    if (oldest !== undefined) this.entries.delete(oldest.key);
    return oldest?.place?.page;
  }

  youngestGrant(epoch: string): string | undefined {
    return [...this.grants].findLast(([, owner]) => owner === epoch)?.[0];
  }

  reserved(): number {
    const placed = (holder: Holder) =>
      [...holder.batches.values()].reduce(
        (sum, { allocated, refused, command }) => sum + (allocated !== undefined || refused ? command.keys.length : 0),
        0,
      );
    return [...this.holders.values()]
      .filter((holder) => holder.state === 'arriving' && !this.queue.has(holder))
      .filter((holder) => ![...holder.batches.values()].some((batch) => batch.refused))
      .reduce((sum, holder) => sum + holder.total - placed(holder), 0);
  }

  charge(holder: Holder): number {
    const keys = [...holder.batches.values()].flatMap((batch) => batch.command.keys);
    return holder.total - keys.filter((key) => (this.entries.get(key)?.holders.size ?? 0) > 0).length;
  }

  free(): number {
    const owned = [...this.entries.values()].filter(({ place }) => place !== undefined).length;
    return this.options.pages - owned - this.quarantine.size;
  }

  available(): number {
    return this.free() + this.retained.length;
  }

  batches(): Batch[] {
    return [...this.holders.values()].flatMap((holder) => [...holder.batches.values()]);
  }

  addHolder(id: HolderId, state: Holder['state'], total: number): Holder {
    const holder: Holder = {
      id,
      state,
      total,
      batches: new Map(),
      leases: new Set(),
      expiresAtMs: this.nowMs + this.options.leaseMs,
      renewal: 0,
      acquired: false,
      drained: false,
      doomed: false,
    };
    this.holders.set(nameOf(id), holder);
    return holder;
  }

  rightsOf(id: HolderId, batch: number): Right[] {
    return [...this.rights.values()].filter(
      (right) => right.holder === nameOf(id) && right.batch === batch && !right.declined,
    );
  }
}

export function nameOf(id: HolderId): string {
  return `${id.epoch}/${id.request}`;
}

export function isWriting(batch: Batch): boolean {
  return [...batch.writing.values()].some((entries) => entries.size > 0);
}
