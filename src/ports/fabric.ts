/**
 * The fabric port: what kvferry needs of the code that moves bytes. One instance belongs to one agent process.
 *
 * It has two implementations: the native addon (`src/native`), and the fabric in memory for tests and simulation
 * (`src/proof/simulation/memory-fabric/`). One contract suite (`test/contract/fabric-contract.ts`) runs against both.
 *
 * Sizes and offsets are bytes. Every rejection is a `KvferryError`.
 */

import type { Provider } from '../protocol/fields.js';

/** How bytes are moved. Only the fabric in memory has `memory`. */
export type { Provider };

/** Where one provider reaches an agent. Agents publish it in `describe`. Only the fabric reads `address`. */
export interface FabricEndpoint {
  readonly provider: Provider;
  /** The implementation of the provider, for people, for example `libfabric net 1.17`. */
  readonly detail: string;
  /** Provider-specific address. */
  readonly address: string;
}

/** A provider that this process cannot offer, with the reason. */
export interface UnavailableProvider {
  readonly provider: Provider;
  readonly reason: string;
}

/** Memory of a CUDA device, as the process describes it that allocated it. */
export interface DeviceMemory {
  /** CUDA IPC handle of the allocation: 64 bytes in base64. */
  readonly handle: string;
  /** UUID of the device: `GPU-` and 36 characters. */
  readonly device: string;
  /** Bytes from the start of the allocation to the start of the memory. Default: 0. */
  readonly offset?: number | undefined;
  readonly bytes: number;
}

/** A source of writes: the path of a file, or memory of a device. */
export type SegmentSource = string | DeviceMemory;

/** The arena: the receiver's memory, divided into equal pages. */
export interface ArenaOptions {
  /** Absolute path of the file to create (normally under /dev/shm). It must not exist yet. */
  readonly path: string;
  /** UUID of the CUDA device that has the arena. Then no file is created. Default: the host has it. */
  readonly device?: string | undefined;
  readonly pageBytes: number;
  readonly pages: number;
}

/**
 * A remote key: the right of one sender epoch to write into the arena. It is the fencing token: after `revoke(id)` has
 * resolved, no byte of a write under this grant can land any more.
 */
export interface FabricGrant {
  /** Unique within the receiver's process. Never used again. */
  readonly id: string;
  readonly provider: Provider;
  /** Secret that the sender presents. It leaves its process sealed only. */
  readonly token: string;
  readonly arenaBytes: number;
}

/** Pieces of equal length, `stride` bytes from the start of one to the start of the next. */
export interface Pieces {
  readonly count: number;
  readonly stride: number;
}

/** Bytes to write: from a source segment to an offset of the target arena. */
export interface WriteItem {
  /** Name under which the segment is attached. */
  readonly segment: string;
  readonly sourceOffset: number;
  readonly targetOffset: number;
  /** Of all pieces together. */
  readonly length: number;
  /** Where the bytes lie in the segment, from `sourceOffset` on. They land one piece behind the other. Default: one piece. */
  readonly pieces?: Pieces;
}

/**
 * How a write ended. Reported once, when nothing more will be posted:
 * - `delivered`: every byte is in the target's memory.
 * - `stopped`: `stop()` was called before every byte was posted. The posted bytes have completed.
 * - `failed`: with the code of the first error.
 *
 * `drained`: no byte of this write can land after the report. It is false when the connection broke and bytes may still
 * be on their way. Then only revoking the grant makes the target pages safe.
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
 * - `connection_lost`: the target is gone or unreachable.
 * - `segment_invalid`: the source segment is unknown, was detached, shrank, or the range is outside it, or has bad pieces.
 * - `fabric_error`: any other error. The message contains that of the provider.
 */
export type FabricWriteErrorCode = 'write_rejected' | 'connection_lost' | 'segment_invalid' | 'fabric_error';

export interface FabricWrite {
  /** Resolves exactly once and never rejects. */
  readonly done: Promise<WriteOutcome>;
  /** Stops posting. `done` then resolves as soon as the posted bytes have completed. Idempotent. */
  stop(): void;
}

/** A sender's connection to one receiver epoch, under one grant. */
export interface FabricConnection {
  readonly provider: Provider;
  readonly detail: string;
  /**
   * Writes all items, in any order, with a limited number of bytes in flight. Errors are in the outcome, never thrown.
   * Splits items that are longer than that limit.
   */
  write(items: readonly WriteItem[]): FabricWrite;
  /** Ends every write in flight (`failed`, `connection_lost`) and releases the connection's resources. Idempotent. */
  close(): Promise<void>;
}

/** The file behind a path or a segment. */
export interface SegmentFile {
  /** Device and inode: two equal ones are one file. Only the fabric reads it; others compare it. */
  readonly file: string;
  readonly bytes: number;
}

/** What this port and the one of agents (`sealed-fabric.ts`) have in common. */
export interface FabricBase {
  /** Providers that this process offers, best first. Empty until `createArena`, and for a pure sender. */
  endpoints(): readonly FabricEndpoint[];
  /** Requested providers that are unavailable, with the reason. */
  unavailable(): readonly UnavailableProvider[];

  /**
   * Creates, sizes and registers the only arena of this process. Resolves with what engines need to open it when it is on a
   * device. Rejects `arena_unavailable` (no room, exists, bad size, no device).
   */
  createArena(options: ArenaOptions): Promise<DeviceMemory | undefined>;
  /**
   * Resolves with the reason when bytes that arrive may be missing in the arena: a program made its file smaller, or punched a
   * hole, a device failed, or the thread of a provider has. Every grant is revoked then. Otherwise it never resolves.
   */
  arenaLost(): Promise<string>;
  /** Fences: after it has resolved, no byte under that grant lands. Idempotent. Resolves for an unknown id. */
  revoke(grantId: string): Promise<void>;

  /**
   * Attaches another process's memory as a read-only source of writes. Resolves with the file.
   * Rejects `segment_not_found`, `segment_invalid` (empty, not a regular file, not below a directory for segments, of another
   * user, memory of an agent, no handle of a device) or `segment_exists`.
   * Memory of a device is opened by the receiver of a write: only then is it known whether it is there.
   */
  attachSegment(name: string, source: SegmentSource): Promise<SegmentFile>;
  /** The file that a path leads to now; undefined when there is none. Memory of a device is what its handle says. */
  identify(source: SegmentSource): Promise<SegmentFile | undefined>;
  /**
   * Creates a file of `bytes` bytes and attaches it: memory that the agent lends to engines. `close` removes the file.
   * Rejects `arena_unavailable` or `segment_exists`.
   */
  createSegment(name: string, path: string, bytes: number): Promise<void>;
  /** Waits for writes that use the segment, then releases it. Rejects `segment_not_found`. */
  detachSegment(name: string): Promise<void>;

  /**
   * Why this process cannot use that endpoint; undefined when it may be able to. It looks at the endpoint only, and never
   * throws: senders choose with it before they request a grant.
   */
  unreachable(endpoint: FabricEndpoint): string | undefined;

  /** Closes connections, revokes grants, unmaps, and removes the arena file. Callable at any time, repeatedly. */
  close(): Promise<void>;
}

export interface FabricPort extends FabricBase {
  /** Grants the right to write into the arena. Rejects `provider_unavailable`. */
  grant(provider: Provider): Promise<FabricGrant>;
  /** Rejects `connection_failed` (not reached within `timeoutMs`, wrong host, …) or `provider_unavailable`. */
  connect(endpoint: FabricEndpoint, grant: FabricGrant, options: { timeoutMs: number }): Promise<FabricConnection>;
}
