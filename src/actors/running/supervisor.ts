/**
 * What becomes of an agent when its parts fail. An actor that throws ends what it was about, with a reason, and nothing
 * else; it is never restarted, since what it had decided is lost: requests are put again by their router, a peer is connected
 * to anew when it is needed. An agent whose actors keep failing, or whose store has lost an invariant, cannot be trusted
 * with memory: it fences itself.
 */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import { toFailure } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { Counters } from '../observing/counters.js';

/** More crashes than this within the window are not about single requests any more. */
export const CRASHES_MAX = 20;
const CRASH_WINDOW_MS = 60_000;

export class Supervisor {
  readonly #clock: ClockPort;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #fence: (failure: Failure) => void;
  /** When actors crashed, within the window. */
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

  /** An actor threw. Its owner ends what it was about. */
  crashed(actor: 'request' | 'transfer' | 'ingest' | 'group' | 'peer', about: object, error: unknown): void {
    this.#counters.add('actors_crashed');
    this.#logger.error({ actor, ...about, err: error }, 'actor failed');
    const nowMs = this.#clock.now();
    this.#crashesMs = [...this.#crashesMs.filter((atMs) => nowMs - atMs < CRASH_WINDOW_MS), nowMs];
    if (this.#crashesMs.length <= CRASHES_MAX) return;
    const message = `${this.#crashesMs.length} actors failed within ${CRASH_WINDOW_MS} ms, the last one: ${toFailure(error).message}`;
    this.#fence({ code: 'agent_fenced', message });
  }

  /** The store has lost an invariant. */
  invariantBroken(invariant: string): void {
    this.#counters.add('invariants_broken');
    this.#logger.fatal({ invariant }, 'the store has lost an invariant');
    this.#fence({ code: 'agent_fenced', message: `the store has lost an invariant: ${invariant}` });
  }
}
