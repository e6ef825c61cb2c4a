/** Notes that a peer is lost. */
import type { Failure } from '../../protocol/fields.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Peer } from './peer-call.js';

/**
 * Counts and logs the loss, and returns it as the reason for the ends of the peer's requests. A receiver that answers and to
 * which no provider connects keeps that reason.
 */
export function lossOf({ counters, logger }: AgentEnv, { agent, epoch, side }: Peer, cause: Failure): Failure {
  counters.add(`${side}s_lost`);
  logger.warn({ peer: agent, peerEpoch: epoch, reason: cause.message }, `${side} lost`);
  if (cause.code === 'connection_failed') return cause;
  return { code: `${side}_lost`, message: `agent ${agent} (epoch ${epoch}) is lost: ${cause.message}` };
}
