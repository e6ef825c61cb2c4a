/**
 * The fabric port: everything kvferry asks of the thing that moves bytes. One instance belongs to one agent process.
 *
 * Two implementations exist, the native addon (`src/native`) and an in-memory engine for tests and simulation
 * (`src/proof/simulation/memory-fabric.ts`); one contract suite (`test/contract/fabric-contract.ts`) runs against both.
 *
 * Sizes and offsets are bytes. Every rejection is a `KvferryError`.
 */

/** How bytes travel. `memory` exists only in the in-memory engine. */
export type Provider = 'same-host' | 'tcp' | 'net' | 'verbs' | 'memory';

/** Where an agent can be reached by one provider. Published in `describe`; opaque to everything but the fabric. */
export interface FabricEndpoint {
  readonly provider: Provider;
  /** What the provider really is, for people: `libfabric net 1.17`, say. */
  readonly detail: string;
  /** Provider-specific address. */
  readonly address: string;
}

/** A provider that this process cannot offer, and why. */
export interface UnavailableProvider {
  readonly provider: Provider;
  readonly reason: string;
}

/** The arena: the receiver's memory, cut into equal pages. */
export interface ArenaOptions {
  /** Absolute path of the file to create (normally under /dev/shm). It must not exist yet. */
  readonly path: string;
  readonly pageBytes: number;
  readonly pages: number;
}

/**
 * A remote key: the right of one sender epoch to write into the arena. The fencing token: after `revoke(id)` has
 * resolved, no byte of a write under this grant can land any more.
 */
export interface FabricGrant {
  /** Unique within the receiver's process, never used again. */
  readonly id: string;
  readonly provider: Provider;
  /** Opaque secret the sender presents. Never logged. */
  readonly token: string;
  readonly arenaBytes: number;
}

/** One piece to write: from a source segment to an offset of the target arena. */
export interface WriteItem {
  /** Name under which the segment was attached. */
  readonly segment: string;
  readonly sourceOffset: number;
  readonly targetOffset: number;
  readonly length: number;
}

/**
 * How a write ended. It is reported once, when nothing more will be posted:
 * - `delivered`: every byte is in the target's memory.
 * - `stopped`: `stop()` was called before all was posted; what had been posted has completed.
 * - `failed`: with the code of the first error.
 *
 * `drained` says that no byte of this write can land after the report. It is false when the connection broke, so that
 * bytes may still be on their way: then only revoking the grant makes the target pages safe.
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
 * - `write_rejected`: the target refused it (revoked or unknown key, out of bounds).
 * - `connection_lost`: the target went away.
 * - `segment_invalid`: the source segment is unknown, was detached, shrank, or the range is outside it.
 * - `fabric_error`: anything else; the message has the provider's words.
 */
export type FabricWriteErrorCode = 'write_rejected' | 'connection_lost' | 'segment_invalid' | 'fabric_error';

export interface FabricWrite {
  /** Resolves exactly once and never rejects. */
  readonly done: Promise<WriteOutcome>;
  /** Post nothing more; `done` then resolves as soon as what was posted has completed. Idempotent. */
  stop(): void;
}

/** A sender's way to one receiver epoch, under one grant. */
export interface FabricConnection {
  readonly provider: Provider;
  readonly detail: string;
  /**
   * Writes all items, in any order, windowed by bytes. Errors are in the outcome, never thrown.
   * Items longer than the window are split.
   */
  write(items: readonly WriteItem[]): FabricWrite;
  /** Ends every write in flight (`failed`, `connection_lost`) and releases what the connection holds. Idempotent. */
  close(): Promise<void>;
}

export interface FabricPort {
  /** Providers this process offers, best first. Filled by `createArena` for a receiver; empty for a pure sender. */
  endpoints(): readonly FabricEndpoint[];
  /** Providers that were asked for and cannot be had, with the reason. */
  unavailable(): readonly UnavailableProvider[];

  /** Creates, sizes and registers this process's only arena. Rejects `arena_unavailable` (no room, exists, bad size). */
  createArena(options: ArenaOptions): Promise<void>;
  /** Grants the right to write into the arena. Rejects `provider_unavailable`. */
  grant(provider: Provider): Promise<FabricGrant>;
  /** Fences: after it resolves nothing written under that grant lands. Idempotent; unknown ids resolve. */
  revoke(grantId: string): Promise<void>;

  /**
   * Attaches a foreign file as a source of writes, read only, and answers its size.
   * Rejects `segment_not_found`, `segment_invalid` (empty, not a regular file) or `segment_exists`.
   */
  attachSegment(name: string, path: string): Promise<{ readonly bytes: number }>;
  /**
   * Creates a file of `bytes` bytes and attaches it: memory of the agent's own to lend to engines. `close` removes it.
   * Rejects `arena_unavailable` or `segment_exists`.
   */
  createSegment(name: string, path: string, bytes: number): Promise<void>;
  /** Waits for writes that use the segment, then lets it go. Rejects `segment_not_found`. */
  detachSegment(name: string): Promise<void>;

  /** Rejects `connection_failed` (cannot be reached in `timeoutMs`, wrong host, …) or `provider_unavailable`. */
  connect(endpoint: FabricEndpoint, grant: FabricGrant, options: { timeoutMs: number }): Promise<FabricConnection>;
  /** Can this process use that endpoint at all? Cheap; used to choose before asking the receiver for a grant. */
  canReach(endpoint: FabricEndpoint): boolean;

  /** Closes connections, revokes grants, unmaps, removes the arena file. Any order, any time, twice. */
  close(): Promise<void>;
}
