/** What all agents say of themselves at one time. */
import type { ActorRow } from '../../protocol/observation.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';

export interface AgentSample {
  readonly description: DescribeReply;
  /** The last one it gave. */
  readonly status: StatusReply | undefined;
  /** When that came. */
  readonly statusMs: number;
  /** Its live actors, as many as it tells; empty when it tells none. */
  readonly actors: readonly ActorRow[];
  /** It did not answer this time, and has not for so long. */
  readonly silentMs: number | undefined;
}

export interface Sample {
  readonly atMs: number;
  readonly isConnected: boolean;
  /** By name. */
  readonly agents: readonly AgentSample[];
}
