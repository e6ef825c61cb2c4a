import { HIDDEN_FLUSH_MS } from '../limits.js';

/** Runs `flush` once in the next frame, however often it is requested, so that many messages cost one drawing. */
export class FrameBatch {
  readonly #flush: () => void;
  #stop: (() => void) | undefined;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  request(): void {
    if (this.#stop !== undefined) return;
    const run = () => {
      this.#stop = undefined;
      this.#flush();
    };
    if (document.hidden) {
      const timer = setTimeout(run, HIDDEN_FLUSH_MS);
      this.#stop = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(run);
      this.#stop = () => cancelAnimationFrame(frame);
    }
  }

  /** Requests the frame again. A requested frame never comes once the tab is hidden. */
  renew(): void {
    if (this.#stop === undefined) return;
    this.cancel();
    this.request();
  }

  cancel(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
