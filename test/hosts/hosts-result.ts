/** What the program inside the namespaces reports to the command. */
export interface HostsOrder {
  /** Only cases whose name contains one of these texts. Empty: all. */
  readonly only: readonly string[];
}

export interface HostsResult {
  /** Cases that ran. */
  readonly cases: number;
  /** Names of cases that this machine cannot run. */
  readonly skipped: readonly string[];
  readonly failed: number;
  readonly requests: number;
  /** Chunks with wrong bytes. */
  readonly mismatches: number;
  readonly secondEnds: number;
  /** Connections of the attacker that were accepted. */
  readonly attackConnections: number;
  /** How much an agent grew during the attack, without its arena. */
  readonly rssGrowthMiB: number;
  /** What lost and delayed frames: the kernel, or a program between two TAP devices. */
  readonly slowLink: 'netem' | 'tap';
  /** Everything that is not as it should be, in words. */
  readonly broken: readonly string[];
}
