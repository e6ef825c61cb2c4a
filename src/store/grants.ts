/** The valid remote keys, and the epoch of the sender that each was made for. */
export class Grants {
  readonly #owners = new Map<string, string>();
  /** The valid remote keys of each epoch, oldest first. A sender has one, or two while it changes its connection. */
  readonly #byEpoch = new Map<string, string[]>();

  has(grant: string): boolean {
    return this.#owners.has(grant);
  }

  /** The epoch of the sender. Undefined when the remote key is unknown or revoked. */
  ownerOf(grant: string): string | undefined {
    return this.#owners.get(grant);
  }

  /** The remote key under which a sender of that epoch can write now. Undefined when all its keys are revoked. */
  newestOf(epoch: string): string | undefined {
    return this.#byEpoch.get(epoch)?.at(-1);
  }

  /** All valid remote keys, oldest first. */
  names(): string[] {
    return [...this.#owners.keys()];
  }

  add(grant: string, epoch: string): void {
    if (this.#owners.has(grant)) return;
    this.#owners.set(grant, epoch);
    const grants = this.#byEpoch.get(epoch);
    if (grants === undefined) this.#byEpoch.set(epoch, [grant]);
    else grants.push(grant);
  }

  delete(grant: string): void {
    const epoch = this.#owners.get(grant);
    if (epoch === undefined) return;
    this.#owners.delete(grant);
    const rest = this.#byEpoch.get(epoch)?.filter((other) => other !== grant) ?? [];
    if (rest.length > 0) this.#byEpoch.set(epoch, rest);
    else this.#byEpoch.delete(epoch);
  }
}
