/**
 * Batches of admitted requests that have no pages yet. Their pages are reserved. A batch waits for its turn, or, when its
 * sender has no valid remote key, for the next one.
 */
import type { Batch, Holder } from './records.js';

export class Placements {
  /** Admitted requests with unplaced batches, in the order of their admission. */
  readonly #holders = new Set<Holder>();
  /** Those whose sender has no valid remote key, by its epoch. */
  readonly #aside = new Map<string, Set<Holder>>();

  add(holder: Holder, batch: Batch): void {
    holder.unplaced.add(batch);
    this.#holders.add(holder);
  }

  /** The next batch to place. Requests that cannot write step aside. */
  next(canWrite: (holder: Holder) => boolean): { readonly holder: Holder; readonly batch: Batch } | undefined {
    for (const holder of this.#holders) {
      const [batch] = holder.unplaced;
      if (batch !== undefined && canWrite(holder)) return { holder, batch };
      this.#holders.delete(holder);
      if (batch !== undefined) this.#stepAside(holder);
    }
    return undefined;
  }

  /** The batch has its pages. */
  placed(holder: Holder, batch: Batch): void {
    holder.unplaced.delete(batch);
  }

  /** This sender can write again. */
  resume(epoch: string): void {
    for (const holder of this.#aside.get(epoch) ?? []) this.#holders.add(holder);
    this.#aside.delete(epoch);
  }

  /** The request gets no pages any more. */
  drop(holder: Holder): void {
    holder.unplaced.clear();
    this.#holders.delete(holder);
    const { epoch } = holder.id;
    const aside = this.#aside.get(epoch);
    aside?.delete(holder);
    if (aside?.size === 0) this.#aside.delete(epoch);
  }

  #stepAside(holder: Holder): void {
    const { epoch } = holder.id;
    const aside = this.#aside.get(epoch);
    if (aside === undefined) this.#aside.set(epoch, new Set([holder]));
    else aside.add(holder);
  }
}
