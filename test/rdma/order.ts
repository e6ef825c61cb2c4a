/** What the host asks of the guest, and what it gets back, as JSON in files of the shared directory. */

/** Suites of tests, which one run of vitest runs. */
export const suites = ['contract', 'lifetime', 'device'] as const;
export type Suite = (typeof suites)[number];

export const checks = ['doctor', ...suites, 'demo'] as const;
export type Check = (typeof checks)[number];

export interface GuestOrder {
  readonly checks: readonly Check[];
  /** Address of the device. */
  readonly address: string;
  /** Factor of every limit of time. */
  readonly patience: number;
}

/** A suite of tests: how many ended how, and the failures, each with its name and first line. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

/** What the tests of the device counted. */
export interface Figures {
  /** Writes after which the receiver had bytes that the source no longer had when the write was posted. */
  readonly staleDelivered: number;
  /** Writes under a revoked grant that the device or the receiver refused. */
  readonly zombieWritesRejected: number;
}

export interface DemoResult {
  readonly provider: string;
  readonly requests: number;
  readonly ready: number;
  readonly mismatches: number;
  readonly bytesMoved: number;
}

/** A check that was not asked for has no result. */
export interface GuestResult {
  readonly kernel: string;
  /** Findings of `kvferry doctor` about the device; it has failed unless one of them says that verbs is available. */
  readonly doctor?: { readonly passed: boolean; readonly findings: readonly string[] };
  readonly contract?: SuiteResult;
  readonly lifetime?: SuiteResult;
  readonly device?: SuiteResult;
  readonly figures?: Figures;
  readonly demo?: DemoResult;
  /** What the device counted from its beginning to the end of the checks: each counter above 0. */
  readonly counters: Readonly<Record<string, number>>;
  readonly seconds: Readonly<Record<string, number>>;
  /** Checks that did not end as they should, with the reason. */
  readonly broken: readonly string[];
}
