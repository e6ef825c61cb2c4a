/**
 * Entries with joiners and without a writer, and which of them can be handed over (P2). An entry is *ripe* while one of its
 * joiners may be able to write it. It becomes ripe when it loses its writer, when a request joins it, and when the remote keys
 * of a joiner's sender change. A command looks at ripe entries only.
 */
import type { Entry, Joiner } from './records.js';

export class Orphans {
  readonly #all = new Set<Entry>();
  /** In the order in which they became ripe. */
  readonly #ripe = new Set<Entry>();
  /** Joiners of any entry that were passed over, by the epoch of their sender. */
  readonly #passed = new Map<string, Set<Joiner>>();

  get size(): number {
    return this.#all.size;
  }

  has(entry: Entry): boolean {
    return this.#all.has(entry);
  }

  add(entry: Entry): void {
    this.#all.add(entry);
    if (entry.joiners?.hasCandidates) this.#ripe.add(entry);
  }

  delete(entry: Entry): void {
    this.#all.delete(entry);
    this.#ripe.delete(entry);
  }

  joined(entry: Entry): void {
    if (this.#all.has(entry)) this.#ripe.add(entry);
  }

  /** The joiner does not wait for the entry any more. */
  left(joiner: Joiner): void {
    const { epoch } = joiner.holder.id;
    const passed = this.#passed.get(epoch);
    passed?.delete(joiner);
    if (passed?.size === 0) this.#passed.delete(epoch);
  }

  /** The remote keys of this sender have changed. */
  reconsider(epoch: string): void {
    for (const joiner of this.#passed.get(epoch) ?? []) {
      joiner.entry.joiners?.reconsider(joiner);
      this.joined(joiner.entry);
    }
    this.#passed.delete(epoch);
  }

  /** The first entry that can be handed over, and the first of its joiners that can write. */
  next(canWrite: (joiner: Joiner) => boolean): Joiner | undefined {
    for (const entry of this.#ripe) {
      const heir = this.#heirOf(entry, canWrite);
      if (heir !== undefined) return heir;
      this.#ripe.delete(entry);
    }
    return undefined;
  }

  #heirOf({ joiners }: Entry, canWrite: (joiner: Joiner) => boolean): Joiner | undefined {
    for (let joiner = joiners?.firstCandidate(); joiner !== undefined; joiner = joiners?.firstCandidate()) {
      if (canWrite(joiner)) return joiner;
      joiners?.pass(joiner);
      const { epoch } = joiner.holder.id;
      const passed = this.#passed.get(epoch);
      if (passed === undefined) this.#passed.set(epoch, new Set([joiner]));
      else passed.add(joiner);
    }
    return undefined;
  }
}
