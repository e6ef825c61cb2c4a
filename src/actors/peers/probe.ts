/** Asks an agent directly whether it lives: its heartbeats may have been lost on the way. */
import { isKvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import { type AgentEnv, failureOf } from '../agent/agent-env.js';
import { describeAgent } from './describe-agent.js';
import type { PeerAddress } from './peer-call.js';

export interface ProbeListener {
  heard(): void;
  left(failure: Failure): void;
}

/** No answer says nothing: the next heartbeat, or its absence, decides. */
export async function probe(env: AgentEnv, peer: PeerAddress, listener: ProbeListener): Promise<void> {
  try {
    const { epoch } = await describeAgent(env, peer.agent, env.options.heartbeatMs);
    if (epoch === peer.epoch) listener.heard();
    else listener.left(failureOf('stale_epoch', `it was restarted: epoch ${epoch}`));
  } catch (error) {
    if (!isKvferryError(error)) throw error;
    env.logger.debug({ peer: peer.agent, code: error.code }, 'peer does not answer');
  }
}
