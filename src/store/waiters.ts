/**
 * Requests that have no pages yet, by the keys that they ask for. Each of them counts how many of its keys are held: in the
 * arena, and leased. So its charge is known without a lookup (P8).
 *
 * Thousands of requests can ask for one key. When the key comes or goes, their counts are out of date until `update` has
 * counted the key again, for all of them. Until then no request may be admitted by its count.
 */
import type { Holder } from './records.js';

interface Group {
  readonly key: string;
  readonly holders: Set<Holder>;
  /** Whether the key is part of the counts of these requests. */
  isCounted: boolean;
}

export class Waiters {
  readonly #isHeld: (key: string) => boolean;
  readonly #recharged: (holder: Holder) => void;
  readonly #groups = new Map<string, Group>();
  /** Groups whose key has come or gone since it was counted. */
  readonly #outdated = new Set<Group>();

  /** `recharged` is called when the count of a request has changed. */
  constructor(isHeld: (key: string) => boolean, recharged: (holder: Holder) => void) {
    this.#isHeld = isHeld;
    this.#recharged = recharged;
  }

  get isOutdated(): boolean {
    return this.#outdated.size > 0;
  }

  add(holder: Holder, key: string): void {
    const group = this.#groups.get(key) ?? { key, holders: new Set(), isCounted: this.#isHeld(key) };
    this.#groups.set(key, group);
    group.holders.add(holder);
    holder.waitingKeys.add(key);
    if (!group.isCounted) return;
    holder.waitingHeld += 1;
    this.#recharged(holder);
  }

  /** The request does not ask for the key any more. The caller takes it out of `waitingKeys`. */
  delete(holder: Holder, key: string): void {
    const group = this.#groups.get(key);
    if (group === undefined || !group.holders.delete(holder)) return;
    if (group.isCounted) holder.waitingHeld -= 1;
    if (group.holders.size > 0) return;
    this.#groups.delete(key);
    this.#outdated.delete(group);
  }

  /** The key may have come or gone. */
  changed(key: string): void {
    const group = this.#groups.get(key);
    if (group === undefined) return;
    if (this.#isHeld(key) === group.isCounted) this.#outdated.delete(group);
    else this.#outdated.add(group);
  }

  /** Counts one key again. Returns the number of requests that ask for it. */
  update(): number {
    for (const group of this.#outdated) {
      this.#outdated.delete(group);
      group.isCounted = !group.isCounted;
      const change = group.isCounted ? 1 : -1;
      for (const holder of group.holders) {
        holder.waitingHeld += change;
        this.#recharged(holder);
      }
      return group.holders.size;
    }
    return 0;
  }

  /** How many keys of the request are held now. Looks each of them up while counts are out of date. */
  heldFor({ waitingHeld, waitingKeys }: Holder): number {
    if (!this.isOutdated) return waitingHeld;
    let held = 0;
    for (const key of waitingKeys) if (this.#isHeld(key)) held += 1;
    return held;
  }
}
