/**
 * The remote keys that a fault has spoilt, and the requests that it may end. A write that fails ends its own request. A connection
 * that breaks, or is given up because of a write that fails or does not drain, ends the requests that are writing on it at that
 * moment. A receiver revokes the key of a quarantine that lasts too long, and that ends the requests whose writes it rejects. A
 * request that only waits, has its pages and does not write yet, or has written, is not struck.
 */
import type { EntryDescription, StoreDescription } from '../../../store/description.js';
import { DRAIN_MS, SKEW_MAX } from './timing.js';

/** A receiver revokes the key of a quarantine that lasts longer than this. */
const OVERDUE_MS = (2 * DRAIN_MS) / (1 + SKEW_MAX);

/** Pages of the agent whose fabric has this address, and the remote key under which they are written. */
export interface Written {
  readonly address: string;
  readonly grant: string;
  readonly pages: readonly number[];
}

export class Grants {
  /** Keys whose connection breaks, or is given up. */
  readonly #broken = new Set<string>();
  /** Keys whose connection may be given up until this time. */
  readonly #doubtfulMs = new Map<string, number>();
  /** Keys that are revoked because of their quarantine. */
  readonly #overdue = new Set<string>();
  /** Requests whose writes these faults have failed, as the store names them. */
  readonly #struck = new Set<string>();
  /** The entries of each store, when it was last observed. */
  readonly #entries = new Map<string, readonly EntryDescription[]>();
  /** When each quarantined page was first seen, by agent and page. */
  readonly #quarantinedMs = new Map<string, number>();

  /** The connection breaks because of a fault. */
  breaks(grant: string): void {
    this.#broken.add(grant);
  }

  /** This write fails because of a fault. Its sender then gives the connection up. */
  fails(written: Written): void {
    this.breaks(written.grant);
    this.#strike(written);
  }

  /** A write drains late because of a fault: until this time, its sender may give the connection up. */
  drainsLate(grant: string, untilMs: number): void {
    this.#doubtfulMs.set(grant, Math.max(untilMs, this.#doubtfulMs.get(grant) ?? 0));
  }

  /** A connection has ended. `pages`: those whose writes were under way on it. */
  ended(written: Written, nowMs: number): void {
    const { grant } = written;
    const isExplained = this.#broken.has(grant) || this.#overdue.has(grant);
    if (isExplained || nowMs <= (this.#doubtfulMs.get(grant) ?? 0)) this.#strike(written);
  }

  /** The receiver has rejected a write. */
  rejected(written: Written): void {
    if (this.#overdue.has(written.grant)) this.#strike(written);
  }

  /** True if a fault has failed a write of this request. */
  struck(holder: string): boolean {
    return this.#struck.has(holder);
  }

  /** Call this after every step, for every store. */
  observe(address: string, nowMs: number, { entries, quarantine }: StoreDescription): void {
    this.#entries.set(address, entries);
    for (const { page, grant } of quarantine) {
      const place = `${address} ${grant} ${page}`;
      const sinceMs = this.#quarantinedMs.get(place) ?? nowMs;
      this.#quarantinedMs.set(place, sinceMs);
      if (nowMs - sinceMs > OVERDUE_MS) this.#overdue.add(grant);
    }
  }

  #strike({ address, grant, pages }: Written): void {
    const written = new Set(pages);
    for (const { ready, place } of this.#entries.get(address) ?? []) {
      if (!ready && place?.grant === grant && written.has(place.page)) this.#struck.add(place.writer);
    }
  }
}
