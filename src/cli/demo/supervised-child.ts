/** Keeps a process running: when it was killed, another takes its place. */
import { type Child, KILLED } from './child.js';

/** Those who knew it shall see that it is gone. */
const AWAY_MS = 1500;

export interface SupervisedChildOptions {
  /** Starts the process for the n-th time, from 1. */
  readonly start: (life: number) => Child;
  /** It was killed, and will be started again. */
  readonly onKilled: () => void;
  readonly awayMs?: number;
}

export class SupervisedChild {
  readonly name: string;
  readonly #options: SupervisedChildOptions;
  #child: Child;
  #lives = 1;
  #isStopping = false;
  #waiting: NodeJS.Timeout | undefined;
  #fail: (error: unknown) => void = () => undefined;
  readonly #failure = new Promise<never>((_, reject) => {
    this.#fail = reject;
  });

  constructor(options: SupervisedChildOptions) {
    this.#options = options;
    this.#child = options.start(this.#lives);
    this.name = this.#child.name;
    // Nobody may be listening yet.
    this.#failure.catch(() => undefined);
    void this.#watch();
  }

  /** Rejects when it ends otherwise than killed, without having been told to; never resolves. */
  failure(): Promise<never> {
    return this.#failure;
  }

  /** As those of a child; when there is none at this moment, they say how the last one has ended. */
  stop(): Promise<string> {
    this.#startNoMore();
    return this.#child.stop();
  }

  abandon(): Promise<void> {
    this.#startNoMore();
    return this.#child.abandon();
  }

  #startNoMore(): void {
    this.#isStopping = true;
    clearTimeout(this.#waiting);
  }

  async #watch(): Promise<void> {
    const how = await this.#child.ended;
    if (this.#isStopping) return;
    if (how !== KILLED) {
      this.#child.failure().catch(this.#fail);
      return;
    }
    this.#options.onKilled();
    this.#waiting = setTimeout(() => this.#startAgain(), this.#options.awayMs ?? AWAY_MS);
  }

  #startAgain(): void {
    this.#lives += 1;
    this.#child = this.#options.start(this.#lives);
    void this.#watch();
  }
}
