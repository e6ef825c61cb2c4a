/** Settings of one agent. Sizes are in bytes, times in milliseconds. `src/config` reads them and explains each one. */

import type { Provider } from '../../ports/fabric.js';
import type { Role } from '../../protocol/fields.js';

export interface AgentOptions {
  /** Stable name of the agent. */
  readonly agent: string;
  readonly role: Role;
  /** Ways to move bytes, best first. Two agents use the first one that both have. */
  readonly providers: readonly Provider[];
  /** Whether no byte may leave the host in clear. Then the agent uses no provider that cannot encrypt. */
  readonly encryption: 'off' | 'required';
  /** The receiver's memory; ignored for the role `prefill`. */
  readonly arena: {
    readonly directory: string;
    readonly pages: number;
    readonly pageBytes: number;
    /** UUID of the CUDA device that has it. Default: a file in the directory. */
    readonly device?: string | undefined;
  };
  /** Staging pages lent to local engines; `pages: 0` lends none. Ignored for the role `decode`. */
  readonly staging: { readonly directory: string; readonly pages: number; readonly pageBytes: number };
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  /** Time limit of one attempt to send a message to another agent. The agent repeats the message until its deadline. */
  readonly attemptTimeoutMs: number;
  /** How often a sender asks the receiver how a request ended, in case the notice was lost. */
  readonly inquireIntervalMs: number;
  /** How long a stopped write may take to drain. */
  readonly writeDrainTimeoutMs: number;
  /** How long requests in progress may go on after an operator stops the agent. */
  readonly shutdownTimeoutMs: number;
  /** How long a decode engine may hold pages before it must renew its lease. */
  readonly leaseMs: number;
  /** How many ready pages without a lease the arena may keep as cache. */
  readonly retainedMax: number;
  /** How often the agent removes expired leases and tombstones. */
  readonly sweepIntervalMs: number;
  readonly tombstoneMs: number;
  readonly tombstonesMax: number;
  /** Most requests in progress at once, on each side. */
  readonly requestsMax: number;
  /** Segments that engines may have attached at once. */
  readonly segmentsMax: number;
  /** Most sessions of engines that are open at once. */
  readonly sessionsMax: number;
  /** Tenants that use the key space of another tenant, by name. All others have one of their own. */
  readonly tenantShares: Readonly<Record<string, string>>;
  /** Most requests of one tenant in progress at once, on each side. 0: as many as the agent takes. */
  readonly tenantRequestsMax: number;
  /** Most chunks of one tenant's requests that arrive or are ready: each may need a page. 0: no limit. */
  readonly tenantPagesMax: number;
  /** Most segments that the engines of one tenant may have attached at once. 0: as many as the agent takes. */
  readonly tenantSegmentsMax: number;
  /** Bytes that the puts of one tenant name in a second, on average. 0: no limit. */
  readonly tenantBytesPerSecond: number;
  /** How many entries the journal keeps; 0: none. */
  readonly journalEntries: number;
  /** How often the agent publishes the steps of its chunks; 0: never. */
  readonly auditIntervalMs: number;
  /** Operators may order faults at this agent. The agent only reports the setting; `src/proof/faults` executes the orders. */
  readonly faultsAllowed: boolean;
}
