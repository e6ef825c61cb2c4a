/** Sizes and times that a store is made with. */
export interface StoreOptions {
  readonly pages: number;
  readonly pageBytes: number;
  /** Leases end this long after the last `acquire`, or after the request became ready. */
  readonly leaseMs: number;
  readonly tombstonesMax: number;
  readonly tombstoneMs: number;
  /** Requests and readers that may hold pages, or wait for them, at the same time. */
  readonly holdersMax: number;
  /** Ready pages without a lease that may stay as cache. */
  readonly retainedMax: number;
  /** Chunks of follow-up work that one command does at most; the default keeps a command below 20 ms. */
  readonly chunksPerCommand?: number;
  /** The generation of every page before its first use; 0 unless a test is about large ones. */
  readonly firstGeneration?: number;
}
