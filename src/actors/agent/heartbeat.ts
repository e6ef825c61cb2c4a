/** Tells all agents that this one lives. A heartbeat that is lost is not repeated: the next one follows. */
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import { subjects } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';

/** `leaving`: this heartbeat is the last one. */
export function sendHeartbeat({ options, epoch, control, logger, presence }: AgentEnv, leaving: boolean): void {
  const { agent, role, heartbeatMs } = options;
  presence.beat();
  const beat: Heartbeat = { v: PROTOCOL_VERSION, agent, epoch, role, heartbeatMs, leaving };
  try {
    control.publish(subjects.heartbeat(agent), JSON.stringify(beat));
  } catch (error) {
    logger.warn({ err: error }, 'heartbeat not sent');
  }
}
