/**
 * What the store remembers between commands, and the small steps that several commands share. Only `Store` creates one.
 * The functions in `commands/` change it, one command at a time.
 */
import { RequestEndedError } from '../protocol/codec.js';
import type { Failure, PageCounts } from '../protocol/fields.js';
import { Admission, chargeOf, NO_TURN } from './admission.js';
import { Contents } from './contents.js';
import { Grants } from './grants.js';
import { type HolderId, nameOf } from './holder.js';
import type { StoreEffect } from './messages.js';
import { Occupancy } from './occupancy.js';
import type { StoreOptions } from './options.js';
import { PageTable } from './page-table.js';
import { Placements } from './placements.js';
import { Quarantine } from './quarantine.js';
import type { Holder, Place } from './records.js';
import { type Tombstone, Tombstones } from './tombstones.js';
import type { Trail } from './trail.js';

/** 4096 chunks take 5 to 10 ms. */
const CHUNKS_PER_COMMAND = 4096;

export class StoreState {
  readonly options: StoreOptions;
  readonly trail: Trail;
  readonly pages: PageTable;
  readonly contents: Contents;
  /** Requests and readers that hold leases or wait, by name. */
  readonly holders = new Map<string, Holder>();
  readonly occupancy: Occupancy;
  readonly admission = new Admission();
  readonly placements = new Placements();
  readonly tombstones: Tombstones;
  readonly quarantine = new Quarantine();
  readonly grants = new Grants();
  /** Holders whose leases end by time, the first to end first. */
  readonly leasing = new Set<Holder>();
  /** Holders that are gone and still have leases, and why they are gone if they failed. */
  readonly leaving = new Map<Holder, Failure | undefined>();
  /** Leases that end before this time are over. */
  expireUntilMs = Number.NEGATIVE_INFINITY;
  /** The time of the running command. */
  nowMs = 0;
  /** Chunks of follow-up work that the running command may still do. */
  work = 0;
  /** The last command had no time for all follow-up work. */
  isUnsettled = false;
  #effects: StoreEffect[] = [];

  constructor(options: StoreOptions, trail: Trail) {
    this.options = options;
    this.trail = trail;
    this.occupancy = new Occupancy(options.holdersMax);
    this.pages = new PageTable(options.pages, options.firstGeneration);
    this.contents = new Contents(this.pages, options.retainedMax, trail, (holder) => this.admission.recharged(holder));
    this.tombstones = new Tombstones({ max: options.tombstonesMax, keepMs: options.tombstoneMs });
  }

  /** Begins a command at time `nowMs`. Returns the list that will have its effects. */
  begin(nowMs: number): readonly StoreEffect[] {
    this.nowMs = nowMs;
    this.work = this.options.chunksPerCommand ?? CHUNKS_PER_COMMAND;
    this.isUnsettled = false;
    this.#effects = [];
    return this.#effects;
  }

  /** Whether the command has time for more follow-up work. The caller has found that there is some. */
  hasTime(): boolean {
    this.isUnsettled ||= this.work <= 0;
    return this.work > 0;
  }

  /** Whether the sender of the request has a valid remote key. */
  canWrite = ({ id }: Holder): boolean => this.grants.newestOf(id.epoch) !== undefined;

  /** New pages that the unit of this request needs now, also while its count is out of date. */
  charge(holder: Holder): number {
    const { waiters } = this.contents;
    return chargeOf(holder, (member) => waiters.heldFor(member));
  }

  /** Reserves as many pages as the admitted request will still need. */
  reserve(holder: Holder): void {
    const held = this.contents.heirs.has(holder) ? holder.waitingHeld : 0;
    this.admission.settle(holder.reserved);
    holder.reserved = holder.toPlace - held;
    this.admission.reserve(holder.reserved);
  }

  /** The request gets no pages any more. */
  giveUpPages(holder: Holder): void {
    this.admission.settle(holder.reserved);
    holder.reserved = 0;
    this.placements.drop(holder);
    this.contents.heirs.delete(holder);
  }

  emit(effect: StoreEffect): void {
    this.#effects.push(effect);
  }

  /** Pages by state; `free + writing + ready + quarantined = total`. */
  pageCounts(): PageCounts {
    const { pages, contents, admission } = this;
    return {
      total: pages.total,
      free: pages.count('free'),
      writing: pages.count('writing'),
      ready: pages.count('ready'),
      quarantined: pages.count('quarantined'),
      reserved: admission.reserved,
      retained: contents.retained,
    };
  }

  /** How a request ended: remembered for a limited time, but always while a ready request holds pages. */
  tombstone(id: HolderId): Tombstone | undefined {
    const holder = this.holders.get(nameOf(id));
    const remembered = this.tombstones.get(id);
    if (holder?.state !== 'ready') return remembered;
    return remembered ?? { end: 'ready', reason: undefined, atMs: holder.endedAtMs };
  }

  /** Throws when the request has ended. */
  refuseEnded(id: HolderId): void {
    const tombstone = this.tombstone(id);
    if (tombstone !== undefined) throw new RequestEndedError(id.request, tombstone.end, tombstone.reason);
  }

  addHolder(id: HolderId, state: Holder['state'], totalChunks: number): Holder {
    const holder: Holder = {
      id,
      name: nameOf(id),
      state,
      totalChunks,
      admitted: false,
      held: false,
      unit: [],
      queued: false,
      refused: undefined,
      reserved: 0,
      toPlace: totalChunks,
      turn: NO_TURN,
      batches: new Map(),
      chunks: 0,
      highestBatch: 0,
      lastBatch: null,
      waitingKeys: new Set(),
      waitingHeld: 0,
      unplaced: new Set(),
      leases: new Map(),
      drained: false,
      expiresAtMs: this.nowMs + this.options.leaseMs,
      endedAtMs: this.nowMs,
    };
    holder.unit = [holder];
    this.holders.set(holder.name, holder);
    this.occupancy.set(holder, totalChunks);
    return holder;
  }

  /** The leases of the holder end one lease time from now. */
  renewLeases(holder: Holder): void {
    holder.expiresAtMs = this.nowMs + this.options.leaseMs;
    this.leasing.delete(holder);
    this.leasing.add(holder);
  }

  /**
   * The writer leaves a page whose bytes have not arrived. The page is free if no write can reach it: the remote key is
   * revoked, or the sender has reported that the request has drained. Otherwise it is quarantined (P5).
   */
  leave({ page, writer, grant }: Place): 'quarantined' | 'free' {
    if (writer.drained || !this.grants.has(grant)) {
      this.pages.free(page, 'page.abandoned');
      return 'free';
    }
    this.pages.quarantine(page);
    this.quarantine.add(page, writer.name, grant, this.nowMs);
    return 'quarantined';
  }

  forget(holder: Holder): void {
    this.holders.delete(holder.name);
    this.occupancy.delete(holder);
    this.leasing.delete(holder);
  }

  /** The leases of the holder have ended. They are taken back one by one. */
  dropHolder(holder: Holder, cause: 'released' | 'expired'): void {
    this.forget(holder);
    holder.state = 'leaving';
    this.leaving.set(holder, undefined);
    this.emit({ type: 'leases.ended', holder: holder.id, cause });
  }
}
