/**
 * Who may have pages, and in which order (P8). A request is admitted once, for all its chunks: the pages it will need are
 * reserved, so that two requests can never each hold half of what the other waits for. First come, first served; only
 * new pages are charged, chunks that are already in the arena are not.
 */
export interface Candidate {
  readonly name: string;
  /** New pages the request would take if it were admitted now; looked up afresh each time (P3). */
  charge(): number;
  /** Pages to reserve; at least the charge. What is not used comes back while batches are placed. */
  readonly chunks: number;
  /** False when it must not be admitted any more, whatever is free. */
  admissible(): boolean;
  admit(): void;
}

export class Admission {
  readonly #queue = new Set<Candidate>();
  #reserved = 0;

  /** Free pages promised to admitted requests. */
  get reserved(): number {
    return this.#reserved;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Who waits, first first. */
  names(): string[] {
    return [...this.#queue].map((candidate) => candidate.name);
  }

  /** When nobody waits, and it would fit even if nothing of it were in the arena. */
  admitAtOnce(candidate: Candidate, freePages: number): boolean {
    if (this.#queue.size > 0 || candidate.chunks > freePages - this.#reserved) return false;
    this.#admit(candidate);
    return true;
  }

  enqueue(candidate: Candidate): void {
    this.#queue.add(candidate);
  }

  withdraw(candidate: Candidate): void {
    this.#queue.delete(candidate);
  }

  /** A reserved page was taken, or turned out not to be needed. */
  settle(pages: number): void {
    this.#reserved -= pages;
  }

  /**
   * Admits from the head while it fits. Behind a head that must wait, only a request that needs no page at all may
   * pass: it takes nothing away from those before it.
   */
  pump(freePages: () => number): void {
    let headWaits = false;
    for (const candidate of this.#queue) {
      const charge = candidate.charge();
      if (headWaits ? charge > 0 : charge > freePages() - this.#reserved) {
        headWaits = true;
        continue;
      }
      this.#queue.delete(candidate);
      if (!candidate.admissible()) continue;
      this.#admit(candidate);
    }
  }

  #admit(candidate: Candidate): void {
    this.#reserved += candidate.chunks;
    candidate.admit();
  }
}
