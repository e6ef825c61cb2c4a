/**
 * Pages without an owner that a write may still reach (P5). A page leaves when its writer reports that it has drained, or
 * when the remote key of that write has been revoked. Time alone never frees a page.
 */

export interface QuarantinedPage {
  /** Name of the holder that may still write to it. */
  readonly writer: string;
  readonly grant: string;
  readonly sinceMs: number;
}

export interface QuarantineDescription extends QuarantinedPage {
  readonly page: number;
}

export class Quarantine {
  /** Oldest first. */
  readonly #pages = new Map<number, QuarantinedPage>();

  get size(): number {
    return this.#pages.size;
  }

  /** The time at which the oldest page came; undefined when the quarantine is empty. */
  get oldestSinceMs(): number | undefined {
    for (const { sinceMs } of this.#pages.values()) return sinceMs;
    return undefined;
  }

  /** Remote keys that could reach a page which came before `sinceMs`. */
  grantsSince(sinceMs: number): string[] {
    return [...new Set([...this.#pages.values()].filter((page) => page.sinceMs < sinceMs).map(({ grant }) => grant))];
  }

  get(page: number): QuarantinedPage | undefined {
    return this.#pages.get(page);
  }

  add(page: number, writer: string, grant: string, nowMs: number): void {
    this.#pages.set(page, { writer, grant, sinceMs: nowMs });
  }

  /** Removes and returns the pages that only this writer could reach. */
  takeDrained(writer: string): number[] {
    return this.#take((page) => page.writer === writer);
  }

  /** Removes and returns the pages that only this remote key could reach. */
  takeFenced(grant: string): number[] {
    return this.#take((page) => page.grant === grant);
  }

  describe(): QuarantineDescription[] {
    return [...this.#pages].map(([page, { writer, grant, sinceMs }]) => ({ page, writer, grant, sinceMs }));
  }

  #take(which: (page: QuarantinedPage) => boolean): number[] {
    const taken = [...this.#pages].filter(([, page]) => which(page)).map(([page]) => page);
    for (const page of taken) this.#pages.delete(page);
    return taken;
  }
}
