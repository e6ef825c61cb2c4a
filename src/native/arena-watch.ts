/**
 * Looks at the arena's file again and again. Devices write without this process, so nothing else notices that a
 * program made the file smaller: senders would take bytes for delivered that no engine can see.
 */

/** Longest time in which that happens unnoticed. */
const LOOK_EVERY_MS = 100;

export class ArenaWatch {
  /** Resolves with the reason when bytes that arrive may be missing. */
  readonly lost: Promise<string>;
  #resolve: (reason: string) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.lost = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /**
   * `owner`: the fabric. The watch does not keep it alive, and ends with it. `fault`: the reason, or an empty text.
   */
  begin<Owner extends object>(owner: Owner, fault: (owner: Owner) => string): void {
    const weak = new WeakRef(owner);
    this.#timer = setInterval(() => {
      const alive = weak.deref();
      const reason = alive === undefined ? '' : fault(alive);
      if (alive !== undefined && reason === '') return;
      this.end();
      if (reason !== '') this.#resolve(reason);
    }, LOOK_EVERY_MS).unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
