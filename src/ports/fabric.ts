/**
 * The fabric port: all operations that move bytes. Each agent process has one instance.
 *
 * Two implementations exist, the native addon (`src/native`) and an in-memory engine for tests and simulation
 * (`src/proof/simulation/memory-fabric.ts`); one contract suite (`test/contract/fabric-contract.ts`) runs against both.
 *
 * Sizes and offsets are bytes. Every rejection is a `KvferryError`.
 */

/** The transport that moves bytes. `memory` exists only in the in-memory engine. */
export type Provider = 'same-host' | 'tcp' | 'net' | 'verbs' | 'memory';

/** The address of an agent for one provider. The agent publishes it in `describe`. Only the fabric interprets it. */
export interface FabricEndpoint {
  readonly provider: Provider;
  /** Description of the provider for people, such as `libfabric net 1.17`. */
  readonly detail: string;
  /** Provider-specific address. */
  readonly address: string;
}

/** A provider that this process cannot offer, with the reason. */
export interface UnavailableProvider {
  readonly provider: Provider;
  readonly reason: string;
}

/** The arena: memory of the receiver, divided into equal pages. */
export interface ArenaOptions {
  /** Absolute path of the file to create (normally under /dev/shm). It must not exist yet. */
  readonly path: string;
  readonly pageBytes: number;
  readonly pages: number;
}

/**
 * A remote key: the right of one sender epoch to write into the arena. It is also the fencing token: once `revoke(id)` has
 * resolved, no byte of a write under this grant can land.
 */
export interface FabricGrant {
  /** Unique within the receiver's process, and never reused. */
  readonly id: string;
  readonly provider: Provider;
  /** Opaque secret that the sender presents to the receiver. Must never be logged. */
  readonly token: string;
  readonly arenaBytes: number;
}

/** One piece of a write, from a source segment to an offset in the target arena. */
export interface WriteItem {
  /** Name of the attached segment. */
  readonly segment: string;
  readonly sourceOffset: number;
  readonly targetOffset: number;
  readonly length: number;
}

/**
 * The outcome of a write, reported once, after the fabric has posted its last byte:
 * - `delivered`: every byte is in the memory of the target.
 * - `stopped`: the sender called `stop()` before everything was posted. The posted part has completed.
 * - `failed`: the write failed. `code` is that of the first error.
 *
 * If `drained` is true, no byte of this write can land after the report. It is false when the connection broke, because bytes
 * may still be in flight. The target pages are then safe only after the grant is revoked.
 */
export type WriteOutcome =
  | { readonly status: 'delivered'; readonly bytes: number }
  | { readonly status: 'stopped'; readonly bytes: number; readonly drained: boolean }
  | {
      readonly status: 'failed';
      readonly bytes: number;
      readonly drained: boolean;
      readonly code: FabricWriteErrorCode;
      readonly message: string;
    };

/**
 * - `write_rejected`: the target refused the write (revoked or unknown key, out of bounds).
 * - `connection_lost`: the connection to the target broke.
 * - `segment_invalid`: the source segment is unknown, was detached or shrank, or does not contain the range.
 * - `fabric_error`: any other error. The message contains that of the provider.
 */
export type FabricWriteErrorCode = 'write_rejected' | 'connection_lost' | 'segment_invalid' | 'fabric_error';

export interface FabricWrite {
  /** Resolves exactly once and never rejects. */
  readonly done: Promise<WriteOutcome>;
  /** Stops posting. `done` resolves when the posted part has completed. Idempotent. */
  stop(): void;
}

/** The connection of a sender to one receiver epoch, under one grant. */
export interface FabricConnection {
  readonly provider: Provider;
  readonly detail: string;
  /**
   * Writes all items in any order. A window limits the bytes in flight, and splits items that are longer. Errors are in the
   * outcome; this method never throws.
   */
  write(items: readonly WriteItem[]): FabricWrite;
  /** Ends every write in flight (`failed`, `connection_lost`) and frees all resources of the connection. Idempotent. */
  close(): Promise<void>;
}

export interface FabricPort {
  /** Providers that this process offers, best first. A receiver has them after `createArena`. A pure sender has none. */
  endpoints(): readonly FabricEndpoint[];
  /** Requested providers that are unavailable, with the reason. */
  unavailable(): readonly UnavailableProvider[];

  /** Creates and registers the only arena of this process. Rejects `arena_unavailable` (no room, file exists, bad size). */
  createArena(options: ArenaOptions): Promise<void>;
  /** Grants the right to write into the arena. Rejects `provider_unavailable`. */
  grant(provider: Provider): Promise<FabricGrant>;
  /** Fences a grant: once this resolves, no byte written under the grant can land. Idempotent. Unknown ids resolve too. */
  revoke(grantId: string): Promise<void>;

  /**
   * Attaches the file of an engine read-only as a source of writes. Resolves to its size in bytes.
   * Rejects `segment_not_found`, `segment_invalid` (empty, not a regular file) or `segment_exists`.
   */
  attachSegment(name: string, path: string): Promise<{ readonly bytes: number }>;
  /**
   * Creates a file of `bytes` bytes and attaches it, as memory that the agent lends to engines. `close` removes the file.
   * Rejects `arena_unavailable` or `segment_exists`.
   */
  createSegment(name: string, path: string, bytes: number): Promise<void>;
  /** Waits for writes from the segment, then detaches it. Rejects `segment_not_found`. */
  detachSegment(name: string): Promise<void>;

  /** Rejects `connection_failed` (no connection within `timeoutMs`, wrong host, …) or `provider_unavailable`. */
  connect(endpoint: FabricEndpoint, grant: FabricGrant, options: { timeoutMs: number }): Promise<FabricConnection>;
  /** True if this process can use that endpoint. Cheap, so a sender can choose before it asks the receiver for a grant. */
  canReach(endpoint: FabricEndpoint): boolean;

  /** Closes all connections, revokes all grants, unmaps all memory and removes the arena file. Idempotent. Valid at any time. */
  close(): Promise<void>;
}
