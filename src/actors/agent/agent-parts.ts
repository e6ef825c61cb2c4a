/** What one agent consists of: the sides that its role has, and what it reports about itself. */
import type { DescribeReply } from '../../protocol/operations.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Receiver } from '../receiving/receiver.js';
import type { Sender } from '../sending/sender.js';

export interface AgentParts {
  readonly env: AgentEnv;
  /** Version of the program. */
  readonly version: string;
  /** When the agent was made, on its own clock. */
  readonly startedMs: number;
  /** Undefined for the role `decode`. */
  readonly sender: Sender | undefined;
  /** Undefined for the role `prefill`. */
  readonly receiver: Receiver | undefined;
  state(): DescribeReply['state'];
  /** Gives the name of the agent to a new process, if it can. */
  yieldName(): boolean;
}
