/** The reports of all agents at one time. */
import type { ActorRow } from '../../protocol/observation.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';

export interface AgentSample {
  readonly description: DescribeReply;
  /** Its last report. */
  readonly status: StatusReply | undefined;
  /** When that report came. */
  readonly statusMs: number;
  /** Its live actors, as far as it reports them. */
  readonly actors: readonly ActorRow[];
  /** Time since its last answer, when it did not answer this time. */
  readonly silentMs: number | undefined;
}

export interface Sample {
  readonly atMs: number;
  readonly isConnected: boolean;
  /** By name. */
  readonly agents: readonly AgentSample[];
}
