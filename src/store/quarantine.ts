/**
 * Pages that nobody owns and that a write may still reach (P5). A page leaves when its writer says that it has drained, or
 * when the remote key it was written under has been revoked. Never because time has passed.
 */
import type { StoreDescription } from './description.js';

export interface QuarantinedPage {
  /** Name of the holder that may still write to it. */
  readonly writer: string;
  readonly grant: string;
  readonly sinceMs: number;
}

export class Quarantine {
  /** Oldest first. */
  readonly #pages = new Map<number, QuarantinedPage>();

  get size(): number {
    return this.#pages.size;
  }

  /** Since when the oldest page is here; undefined when none is. */
  get oldestSinceMs(): number | undefined {
    for (const { sinceMs } of this.#pages.values()) return sinceMs;
    return undefined;
  }

  /** Remote keys that could reach a page which has been here since before then. */
  grantsSince(sinceMs: number): string[] {
    return [...new Set([...this.#pages.values()].filter((page) => page.sinceMs < sinceMs).map(({ grant }) => grant))];
  }

  get(page: number): QuarantinedPage | undefined {
    return this.#pages.get(page);
  }

  add(page: number, writer: string, grant: string, nowMs: number): void {
    this.#pages.set(page, { writer, grant, sinceMs: nowMs });
  }

  /** Takes out, and returns, the pages that only this writer could reach. */
  takeDrained(writer: string): number[] {
    return this.#take((page) => page.writer === writer);
  }

  /** Takes out, and returns, the pages that only this remote key could reach. */
  takeFenced(grant: string): number[] {
    return this.#take((page) => page.grant === grant);
  }

  describe(): StoreDescription['quarantine'] {
    return [...this.#pages].map(([page, { writer, grant, sinceMs }]) => ({ page, writer, grant, sinceMs }));
  }

  #take(which: (page: QuarantinedPage) => boolean): number[] {
    const taken = [...this.#pages].filter(([, page]) => which(page)).map(([page]) => page);
    for (const page of taken) this.#pages.delete(page);
    return taken;
  }
}
