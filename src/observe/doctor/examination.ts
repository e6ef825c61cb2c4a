/** The facts that the checks judge. Checks are pure functions of them. */
import type { AgentConfig } from '../../config/agent-config.js';
import { isInClear } from '../../ports/encryption.js';
import type { Provider, UnavailableProvider } from '../../ports/fabric.js';
import type { KvferryError } from '../../protocol/errors.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';
import type { System } from './system.js';

/** The state of the native addon and of libfabric. */
export interface FabricFacts {
  readonly addon: boolean;
  readonly libfabric: string | null;
  /** The reason why the addon or libfabric is missing. */
  readonly reason?: string;
  /** Providers by kvferry's names. */
  readonly providers: readonly string[];
  readonly unavailable: readonly UnavailableProvider[];
  /** Providers by libfabric's names, with the devices of each. */
  readonly offers: readonly { readonly provider: string; readonly domains: readonly string[] }[];
  /** The CUDA devices of this host, and why there are none. */
  readonly cuda: {
    readonly devices: readonly { readonly uuid: string; readonly name: string }[];
    readonly reason: string;
  };
}

export interface NatsFacts {
  readonly server: string;
  readonly version: string;
  readonly payloadBytesMax: number;
  readonly roundTripsMs: readonly number[];
  /** Undefined when JetStream is off or not available to this user. */
  readonly jetStream: { readonly streams: number } | undefined;
  /** Whether only programs of the server's own host reach it under this address. */
  readonly isLoopback: boolean;
  /** Whether the server asks who a program is. */
  readonly asksForUser: boolean;
  readonly isEncrypted: boolean;
  /** Whether this user may subscribe to the answers that other programs get. */
  readonly readsInboxes: boolean;
}

/** Two readings of one agent. */
export interface AgentFacts {
  readonly description: DescribeReply;
  readonly before: StatusReply | undefined;
  readonly after: StatusReply | undefined;
  /** Time between the two readings. */
  readonly elapsedMs: number;
}

/** The agents that `discover` found; undefined without NATS. */
export interface ClusterFacts {
  readonly agents: readonly AgentFacts[];
}

export interface Examination {
  readonly system: System;
  /** Version of this program. */
  readonly version: string;
  /** The settings of the agent to judge, with the providers that it uses. */
  readonly settings: AgentConfig;
  /** The other providers of its settings: they cannot encrypt, and it requires encryption. */
  readonly inClear: readonly Provider[];
  readonly fabric: FabricFacts;
  readonly nats: NatsFacts | KvferryError;
  readonly cluster: ClusterFacts | undefined;
  /** Why NATS does not let this user examine the agents. */
  readonly refusal?: string;
}

/** The settings as an agent that is started with them uses them. */
export function inUse(settings: AgentConfig): Pick<Examination, 'settings' | 'inClear'> {
  const inClear = settings.tcpEncryption === 'required' ? settings.provider.filter(isInClear) : [];
  return { settings: { ...settings, provider: settings.provider.filter((each) => !inClear.includes(each)) }, inClear };
}
