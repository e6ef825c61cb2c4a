/**
 * Notices that the agent's process did not run for a while: it was stopped, swapped out, or its host was. A `put` that is
 * read after a pause may be older than its engine's patience, so the engine may have filled its memory again. Another process
 * may have the name of the agent by then. NATS answers in order: when a flush that was begun after the pause is answered,
 * everything from before it was read, also the heartbeats of such a process.
 */
import { toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { AgentEnv } from '../env/agent-env.js';
import { sleep } from '../env/timers.js';

/** A gap of this length is a pause. Engines wait longer than this for the answer to a `put` without a session. */
const PAUSE_MS = 1000;
/** A gap of so many heartbeats is one too: another process takes the name after three. */
const PAUSE_HEARTBEATS = 2;

export class PauseWatch {
  readonly #env: AgentEnv;
  readonly #onPause: () => void;
  /** When the agent was last seen to run. Undefined before its first tick. */
  #lastMs: number | undefined;
  readonly #pauseMs: number;
  /** When the last pause was noticed, while messages from before it may be unread. */
  #pausedMs: number | undefined;
  #flushing: Promise<void> | undefined;
  #isStopped = false;

  constructor(env: AgentEnv, onPause: () => void) {
    this.#env = env;
    this.#onPause = onPause;
    this.#pauseMs = Math.min(PAUSE_MS, PAUSE_HEARTBEATS * env.options.heartbeatMs);
  }

  /** How often the agent must look at its clock. */
  get tickMs(): number {
    return this.#pauseMs / 2;
  }

  /** Call it every `tickMs`. */
  tick(): void {
    this.#look();
    this.#lastMs = this.#env.clock.now();
  }

  /** Throws `agent_paused` while messages from before a pause may be unread. */
  check(): void {
    if (!this.mayBeStale) return;
    void this.#flush();
    const { agent } = this.#env.options;
    throw new KvferryError(
      'agent_paused',
      `agent ${agent} was paused, and this put may be older than the pause: put it again, or open a session`,
    );
  }

  /** Messages from before a pause may be unread. */
  get mayBeStale(): boolean {
    this.#look();
    return this.#pausedMs !== undefined;
  }

  /** The agent takes no puts any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Resolves when everything from before a pause was read, and no other process serves the name of this agent; or when the
   * agent takes no puts any more.
   */
  async settled(): Promise<void> {
    while (this.mayBeStale && !this.#isStopped) {
      await this.#flush();
      if (this.#pausedMs !== undefined) await sleep(this.#env.clock, this.tickMs);
    }
  }

  #look(): void {
    const nowMs = this.#env.clock.now();
    if (this.#lastMs === undefined || nowMs - this.#lastMs < this.#pauseMs) return;
    const gapMs = Math.round(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#pausedMs = nowMs;
    this.#env.counters.add('pauses_noticed');
    this.#env.logger.warn({ gapMs }, 'agent was paused');
    this.#onPause();
    void this.#flush();
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#flushOnce().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushOnce(): Promise<void> {
    const begunMs = this.#env.clock.now();
    try {
      await this.#env.control.flush();
    } catch (error) {
      // Without NATS no put arrives. The next one begins another flush.
      this.#env.logger.warn({ code: toFailure(error).code, err: error }, 'NATS did not answer after a pause');
      return;
    }
    // A pause that was noticed meanwhile needs a flush of its own.
    if (this.#pausedMs === undefined || this.#pausedMs > begunMs) return;
    // While another process sends heartbeats under the name, it is not decided which of the two serves.
    if (!this.#env.living.hasTwin) this.#pausedMs = undefined;
  }
}
