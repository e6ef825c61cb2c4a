/**
 * Decides what a failure inside the agent means. An actor that throws ends its own task, with a reason, and no other. It is
 * never restarted, because its decisions are lost: the router puts the request again, and the next request connects to the
 * peer again. An agent whose actors keep failing, whose store has lost an invariant, or whose arena has lost memory, cannot be trusted
 * with memory. It fences itself.
 */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import { toFailure } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { Counters } from '../observing/counters.js';

/** More crashes than this within the window mean that the agent itself is broken. */
export const CRASHES_MAX = 20;
const CRASH_WINDOW_MS = 60_000;

export class Supervisor {
  readonly #clock: ClockPort;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #fence: (failure: Failure) => void;
  /** Times of the crashes within the window. */
  #crashesMs: number[] = [];

  constructor(
    parts: { readonly clock: ClockPort; readonly counters: Counters; readonly logger: Logger },
    fence: (failure: Failure) => void,
  ) {
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#logger = parts.logger;
    this.#fence = fence;
  }

  /** Reports that an actor threw. Its owner ends the task. `about` goes into the log line. */
  crashed(
    actor: 'request' | 'transfer' | 'ingest' | 'group' | 'rank' | 'peer' | 'connection' | 'line',
    about: object,
    error: unknown,
  ): void {
    this.#counters.add('actors_crashed');
    this.#logger.error({ actor, ...about, err: error }, 'actor failed');
    const nowMs = this.#clock.now();
    this.#crashesMs = [...this.#crashesMs.filter((atMs) => nowMs - atMs < CRASH_WINDOW_MS), nowMs];
    if (this.#crashesMs.length <= CRASHES_MAX) return;
    const message = `${this.#crashesMs.length} actors failed within ${CRASH_WINDOW_MS} ms, the last one: ${toFailure(error).message}`;
    this.#fence({ code: 'agent_fenced', message });
  }

  /** Reports that bytes which arrive may be missing in the arena. */
  arenaLost(reason: string): void {
    this.#logger.fatal({ reason }, 'the arena has lost memory');
    this.#fence({ code: 'arena_unavailable', message: `the arena has lost memory: ${reason}` });
  }

  /** Reports that the store has lost an invariant. */
  invariantBroken(invariant: string): void {
    this.#counters.add('invariants_broken');
    this.#logger.fatal({ invariant }, 'the store has lost an invariant');
    this.#fence({ code: 'agent_fenced', message: `the store has lost an invariant: ${invariant}` });
  }
}
