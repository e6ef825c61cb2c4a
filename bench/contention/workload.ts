/** The workload of the contention suite: the requests of prefill and decode engines, the same for every system. */
import { Random } from '../../src/figures/random.js';

export interface WorkloadRequest {
  readonly name: string;
  readonly sender: number;
  /** Steps of chunked prefill, in order. Together they have the keys of the prompt. */
  readonly batches: readonly (readonly string[])[];
  /** Time for which the decode engine keeps the request. */
  readonly holdMs: number;
  /** Time from its start until its engine gives it up, if it does. */
  readonly abortAfterMs: number | undefined;
}

export interface WorkloadOptions {
  readonly seed: number;
  readonly requests: number;
  readonly batches: number;
  /** Fraction of the requests, 0 to 1. */
  readonly aborted: number;
}

export const SENDERS = 4;
const PREFIXES = 4;
const SHARED_KEYS = 24;
const OWN_KEYS = 8;

const HOLD_MS = { from: 50, to: 350 };
/** Short, so that most aborts happen while bytes travel. */
const ABORT_WITHIN_MS = 40;

/** Pages that `atOnce` requests take if none of them waits. */
export function pagesWanted(atOnce: number): number {
  return Math.min(atOnce, PREFIXES) * SHARED_KEYS + atOnce * OWN_KEYS;
}

export function makeWorkload({ seed, requests, batches, aborted }: WorkloadOptions): WorkloadRequest[] {
  const random = new Random(seed);
  return Array.from({ length: requests }, (_, index) => {
    const prefix = random.integer(0, PREFIXES - 1);
    const shared = Array.from({ length: SHARED_KEYS }, (_, key) => `prefix ${prefix} chunk ${key}`);
    const own = Array.from({ length: OWN_KEYS }, (_, key) => `request ${index} chunk ${key}`);
    const keys = [...shared, ...own];
    const size = Math.ceil(keys.length / batches);
    return {
      name: `request ${index}`,
      sender: index % SENDERS,
      batches: Array.from({ length: batches }, (_, batch) => keys.slice(batch * size, (batch + 1) * size)),
      holdMs: random.between(HOLD_MS.from, HOLD_MS.to),
      abortAfterMs: random.chance(aborted) ? random.between(0, ABORT_WITHIN_MS) : undefined,
    };
  });
}
