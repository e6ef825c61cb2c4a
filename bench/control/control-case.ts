/** The cases of the control suite. */

export interface ControlCase {
  readonly keys: number;
  /** Fraction of the keys, 0 to 1, that are already in the arena. */
  readonly shared: number;
  readonly atOnce: number;
  readonly senders: number;
}

export interface ControlScale {
  readonly cases: readonly ControlCase[];
  readonly roundMs: number;
  readonly rounds: number;
  readonly warmUpMs: number;
}

const KEYS = [8, 32, 128, 512] as const;
const SHARED = [0, 0.5, 0.95] as const;
const AT_ONCE = [1, 8, 32, 256] as const;
const SENDERS = [1, 4, 16] as const;

/** A step of chunked prefill of 8,192 tokens: no shared keys, one request after the other. */
const BASE: ControlCase = { keys: 32, shared: 0, atOnce: 1, senders: 1 };

/** Every combination. Ordered by senders, because agents are started once for each number of senders. */
export const fullControl: ControlScale = {
  cases: SENDERS.flatMap((senders) =>
    KEYS.flatMap((keys) =>
      SHARED.flatMap((shared) => AT_ONCE.map((atOnce) => ({ keys, shared, atOnce, senders }) satisfies ControlCase)),
    ),
  ),
  roundMs: 500,
  rounds: 3,
  warmUpMs: 10_000,
};

/** Cases that vary one parameter at a time. */
export const quickControl: ControlScale = {
  cases: [
    BASE,
    { ...BASE, keys: 8 },
    { ...BASE, keys: 512 },
    { ...BASE, shared: 0.95 },
    { ...BASE, atOnce: 32 },
    { ...BASE, atOnce: 256, keys: 8 },
    { ...BASE, atOnce: 32, senders: 4 },
  ],
  roundMs: 250,
  rounds: 3,
  warmUpMs: 4000,
};
