/**
 * The remote keys that a fault has spoilt. A write that fails, breaks off or does not drain costs its connection, and with
 * it every request that has pages under the same remote key at that moment, or is given pages under it until the receiver
 * learns of it. A hand-over that comes too late costs nothing: the sender refuses it.
 */
import type { EntryDescription, StoreDescription } from '../../../store/description.js';
import { DRAIN_MS, SKEW_MAX } from './timing.js';

/** A receiver revokes the key of a quarantine that lasts longer than this. */
const OVERDUE_MS = (2 * DRAIN_MS) / (1 + SKEW_MAX);

export class Grants {
  /** Keys whose connection has broken. */
  readonly #broken = new Set<string>();
  /** Keys whose connection may break at any time from now on: a write on its way drains late. */
  readonly #doubtful = new Set<string>();
  /** Requests that had pages under a spoilt key, as the store names them. */
  readonly #struck = new Set<string>();
  /** The entries of each store, when it was last observed. */
  readonly #entries = new Map<string, readonly EntryDescription[]>();
  /** When each quarantined page was first seen, by agent and page. */
  readonly #quarantinedMs = new Map<string, number>();

  /** A connection of the agent whose fabric has this address breaks. */
  spoil(grant: string, address: string): void {
    this.#broken.add(grant);
    this.#strike(this.#entries.get(address) ?? [], (other) => other === grant);
  }

  /** A connection may break, now or later. */
  doubt(grant: string): void {
    this.#doubtful.add(grant);
  }

  /** True if `holder` had pages that it could not write because their remote key was spoilt. */
  struck(holder: string): boolean {
    return this.#struck.has(holder);
  }

  /** Call this after every step, for every store. */
  observe(address: string, nowMs: number, { entries, holders, quarantine }: StoreDescription): void {
    this.#entries.set(address, entries);
    for (const { page, grant } of quarantine) {
      const place = `${address} ${grant} ${page}`;
      const sinceMs = this.#quarantinedMs.get(place) ?? nowMs;
      this.#quarantinedMs.set(place, sinceMs);
      if (nowMs - sinceMs > OVERDUE_MS) this.spoil(grant, address);
    }
    if (this.#broken.size > 0) this.#strikeAllocated(holders);
    if (this.#doubtful.size > 0) this.#strike(entries, (grant) => this.#doubtful.has(grant));
  }

  #strikeAllocated(holders: StoreDescription['holders']): void {
    for (const { name, batches } of holders) {
      const isLate = batches.some(
        ({ grant, allocation, committed }) =>
          grant !== null && this.#broken.has(grant) && committed[0] === false && (allocation?.pages.length ?? 0) > 0,
      );
      if (isLate) this.#struck.add(name);
    }
  }

  #strike(entries: readonly EntryDescription[], which: (grant: string) => boolean): void {
    for (const { ready, place } of entries) {
      if (!ready && place !== null && which(place.grant)) this.#struck.add(place.writer);
    }
  }
}
