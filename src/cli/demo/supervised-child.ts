/** Keeps a process running: starts another one when it was killed. */
import { type ChildProcess, KILLED } from '../../processes/child-process.js';

/** Time before the restart, so that peers notice the end. */
const AWAY_MS = 1500;

export interface SupervisedChildOptions {
  /** Starts the process for the n-th time, from 1. */
  readonly start: (life: number) => ChildProcess;
  /** Called when the process was killed and will be started again. */
  readonly onKilled: () => void;
  readonly awayMs?: number;
}

export class SupervisedChild {
  readonly name: string;
  readonly #options: SupervisedChildOptions;
  #child: ChildProcess;
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
    // No caller may be waiting for it yet.
    this.#failure.catch(() => undefined);
    void this.#watch();
  }

  /** Rejects when the process ends by itself and was not killed. Never resolves. */
  failure(): Promise<never> {
    return this.#failure;
  }

  /** As that of a child process. Between two processes, resolves with how the last one ended. */
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
