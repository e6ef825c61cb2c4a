/**
 * Pages without an owner that a write may still reach (P5). A page becomes *safe* when its writer reports that it has drained,
 * or when the remote key of that write has been revoked. Time alone never frees a page. Safe pages leave a few at a time, so
 * that no command has to free thousands.
 */
import type { HolderId } from './holder.js';

/** Why no write can reach the page any more. */
export type Proof =
  | { readonly event: 'page.drained'; readonly writer: HolderId }
  | { readonly event: 'page.fenced'; readonly grant: string };

export interface QuarantinedPage {
  readonly page: number;
  /** Name of the holder that may still write to it. */
  readonly writer: string;
  readonly grant: string;
  readonly sinceMs: number;
}

export class Quarantine {
  /** Oldest first. */
  readonly #pages = new Map<number, QuarantinedPage>();
  readonly #byWriter = new Map<string, Set<QuarantinedPage>>();
  readonly #byGrant = new Map<string, Set<QuarantinedPage>>();
  readonly #safe: { readonly pages: Set<QuarantinedPage>; readonly proof: Proof }[] = [];

  get size(): number {
    return this.#pages.size;
  }

  /** Whether pages can be taken. */
  get hasSafe(): boolean {
    return this.#safe.length > 0;
  }

  /** The time at which the oldest page came; undefined when the quarantine is empty. */
  get oldestSinceMs(): number | undefined {
    for (const { sinceMs } of this.#pages.values()) return sinceMs;
    return undefined;
  }

  /** Remote keys that could reach a page which came before `sinceMs`. */
  grantsSince(sinceMs: number): string[] {
    return [...this.#byGrant].filter(([, pages]) => cameBefore(pages, sinceMs)).map(([grant]) => grant);
  }

  get(page: number): QuarantinedPage | undefined {
    return this.#pages.get(page);
  }

  add(page: number, writer: string, grant: string, nowMs: number): void {
    const quarantined = { page, writer, grant, sinceMs: nowMs };
    this.#pages.set(page, quarantined);
    addTo(this.#byWriter, writer, quarantined);
    addTo(this.#byGrant, grant, quarantined);
  }

  /** The pages that only this writer could reach are safe. False when there are none. */
  drained(writer: HolderId, name: string): boolean {
    return this.#makeSafe(this.#byWriter, name, { event: 'page.drained', writer });
  }

  /** The pages that only this remote key could reach are safe. False when there are none. */
  fenced(grant: string): boolean {
    return this.#makeSafe(this.#byGrant, grant, { event: 'page.fenced', grant });
  }

  /** Removes and returns up to `max` safe pages, all with the same proof. */
  takeSafe(max: number): { readonly pages: number[]; readonly proof: Proof } | undefined {
    const [first] = this.#safe;
    if (first === undefined) return undefined;
    const pages: number[] = [];
    for (const quarantined of first.pages) {
      if (pages.length === max) return { pages, proof: first.proof };
      first.pages.delete(quarantined);
      if (this.#remove(quarantined)) pages.push(quarantined.page);
    }
    this.#safe.shift();
    return { pages, proof: first.proof };
  }

  describe(): QuarantinedPage[] {
    return [...this.#pages.values()].map((page) => ({ ...page }));
  }

  #makeSafe(index: Map<string, Set<QuarantinedPage>>, name: string, proof: Proof): boolean {
    const pages = index.get(name);
    if (pages === undefined) return false;
    index.delete(name);
    this.#safe.push({ pages, proof });
    return true;
  }

  /** False when the page has left already: both its writer and its remote key had become safe. */
  #remove(quarantined: QuarantinedPage): boolean {
    const { page, writer, grant } = quarantined;
    if (this.#pages.get(page) !== quarantined) return false;
    this.#pages.delete(page);
    deleteFrom(this.#byWriter, writer, quarantined);
    deleteFrom(this.#byGrant, grant, quarantined);
    return true;
  }
}

/** Whether the oldest of these pages came before `sinceMs`. */
function cameBefore(pages: ReadonlySet<QuarantinedPage>, sinceMs: number): boolean {
  for (const oldest of pages) return oldest.sinceMs < sinceMs;
  return false;
}

function addTo(index: Map<string, Set<QuarantinedPage>>, name: string, page: QuarantinedPage): void {
  const pages = index.get(name);
  if (pages === undefined) index.set(name, new Set([page]));
  else pages.add(page);
}

function deleteFrom(index: Map<string, Set<QuarantinedPage>>, name: string, page: QuarantinedPage): void {
  const pages = index.get(name);
  pages?.delete(page);
  if (pages?.size === 0) index.delete(name);
}
