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
}
