/**
 * Notices that the agent's process did not run for a while: it was stopped, swapped out, or its host was. A `put` that is
 * read after a pause may be older than its engine's patience, so the engine may have filled its memory anew. NATS answers in
 * order: when a flush that was begun after the pause is answered, everything from before it was read.
 */
import { toFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { AgentEnv } from '../env/agent-env.js';

/** How often the agent looks at its clock. */
export const TICK_MS = 250;
/** A gap of this length is a pause. Engines wait longer than this for the answer to a `put` without a session. */
const PAUSE_MS = 750;

export class PauseWatch {
  readonly #env: AgentEnv;
  readonly #onPause: () => void;
  /** When the agent was last seen to run. Undefined before its first tick. */
  #lastMs: number | undefined;
  #mayBeStale = false;
  #isFlushing = false;

  constructor(env: AgentEnv, onPause: () => void) {
    this.#env = env;
    this.#onPause = onPause;
  }

  /** Call it every `TICK_MS`. */
  tick(): void {
    this.#look();
    this.#lastMs = this.#env.clock.now();
  }

  /** Throws `agent_paused` while messages from before a pause may be unread. */
  check(): void {
    this.#look();
    if (!this.#mayBeStale) return;
    void this.#flush();
    const { agent } = this.#env.options;
    throw new KvferryError(
      'agent_paused',
      `agent ${agent} was paused, and this put may be older than the pause: put it again, or open a session`,
    );
  }

  #look(): void {
    const nowMs = this.#env.clock.now();
    if (this.#lastMs === undefined || nowMs - this.#lastMs < PAUSE_MS) return;
    const gapMs = Math.round(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#mayBeStale = true;
    this.#env.counters.add('pauses_noticed');
    this.#env.logger.warn({ gapMs }, 'agent was paused');
    this.#onPause();
    void this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      await this.#env.control.flush();
      this.#mayBeStale = false;
    } catch (error) {
      // Without NATS no put arrives. The next one begins another flush.
      this.#env.logger.warn({ code: toFailure(error).code, err: error }, 'NATS did not answer after a pause');
    } finally {
      this.#isFlushing = false;
    }
  }
}
