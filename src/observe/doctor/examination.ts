/** What is known when the checks begin. They only look at it, and decide. */
import type { AgentConfig } from '../../config/agent-config.js';
import type { UnavailableProvider } from '../../ports/fabric.js';
import type { KvferryError } from '../../protocol/errors.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';
import type { System } from './system.js';

/** What the native addon says of itself and of libfabric. */
export interface FabricFacts {
  readonly addon: boolean;
  readonly libfabric: string | null;
  /** Why the addon or libfabric is missing. */
  readonly reason?: string;
  /** kvferry's own names. */
  readonly providers: readonly string[];
  readonly unavailable: readonly UnavailableProvider[];
  /** libfabric's names, and the devices that each finds. */
  readonly offers: readonly { readonly provider: string; readonly domains: readonly string[] }[];
}

export interface NatsFacts {
  readonly server: string;
  readonly version: string;
  readonly payloadBytesMax: number;
  readonly roundTripsMs: readonly number[];
  /** Undefined: this user cannot reach it, or it is off. */
  readonly jetStream: { readonly streams: number } | undefined;
}

/** One agent at two times. */
export interface AgentFacts {
  readonly description: DescribeReply;
  readonly before: StatusReply | undefined;
  readonly after: StatusReply | undefined;
  /** Between the two. */
  readonly elapsedMs: number;
}

/** Whom `discover` found; undefined without NATS. */
export interface ClusterFacts {
  readonly agents: readonly AgentFacts[];
}

export interface Examination {
  readonly system: System;
  /** Version of this program. */
  readonly version: string;
  /** What an agent would be started with. */
  readonly settings: AgentConfig;
  readonly fabric: FabricFacts;
  readonly nats: NatsFacts | KvferryError;
  readonly cluster: ClusterFacts | undefined;
}
