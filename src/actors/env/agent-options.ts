/** Everything an agent can be told. Sizes in bytes, times in milliseconds. `src/config` fills it and explains each value. */

import type { Provider } from '../../ports/fabric.js';
import type { Role } from '../../protocol/fields.js';

export interface AgentOptions {
  /** Stable name of the agent. */
  readonly agent: string;
  readonly role: Role;
  /** Ways to move bytes, best first. The first that both sides have is taken. */
  readonly providers: readonly Provider[];
  /** The receiver's memory; ignored for the role `prefill`. */
  readonly arena: { readonly directory: string; readonly pages: number; readonly pageBytes: number };
  /** Staging pages lent to local engines; `pages: 0` lends none. Ignored for the role `decode`. */
  readonly staging: { readonly directory: string; readonly pages: number; readonly pageBytes: number };
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  /** One attempt of a message to another agent; it is repeated until its deadline. */
  readonly attemptTimeoutMs: number;
  /** How often a sender asks how a request ended, when it was not told. */
  readonly inquireIntervalMs: number;
  /** How long a stopped write may take to drain. */
  readonly writeDrainTimeoutMs: number;
  /** How long requests in progress may go on after the order to stop. */
  readonly shutdownTimeoutMs: number;
  /** How long a decode engine may hold pages without asking again. */
  readonly leaseMs: number;
  /** Ready pages of the arena that may stay as cache when nobody leases them. */
  readonly retainedMax: number;
  /** How often expired leases and tombstones are looked for. */
  readonly sweepIntervalMs: number;
  readonly tombstoneMs: number;
  readonly tombstonesMax: number;
  /** Requests in progress on either side, at once. */
  readonly requestsMax: number;
  /** Entries that the journal keeps; 0: none. */
  readonly journalEntries: number;
  /** How often the steps of chunks are published; 0: never. */
  readonly auditIntervalMs: number;
  /** Others may make faults happen to it. It only says so; what happens is none of its business. */
  readonly faultsAllowed: boolean;
}
