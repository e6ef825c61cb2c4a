/** Asks an agent directly whether it lives: its heartbeats may have been lost on the way. */
import { decodeReply } from '../protocol/codec.js';
import { isKvferryError } from '../protocol/errors.js';
import type { Failure } from '../protocol/fields.js';
import { PROTOCOL_VERSION } from '../protocol/limits.js';
import { operationSchemas } from '../protocol/operations.js';
import { subjects } from '../protocol/subjects.js';
import { type AgentContext, failureOf } from './context.js';
import type { PeerAddress } from './peer-call.js';

export interface ProbeListener {
  heard(): void;
  left(failure: Failure): void;
}

/** No answer says nothing: the next heartbeat, or its absence, decides. */
export async function probe(context: AgentContext, peer: PeerAddress, listener: ProbeListener): Promise<void> {
  const { control, options } = context;
  const body = JSON.stringify({ v: PROTOCOL_VERSION });
  try {
    const timeoutMs = options.heartbeatMs;
    const answer = await control.request(subjects.operation(peer.agent, 'describe'), body, { timeoutMs });
    const { epoch } = decodeReply(operationSchemas.describe.reply, answer);
    if (epoch === peer.epoch) listener.heard();
    else listener.left(failureOf('stale_epoch', `it was restarted: epoch ${epoch}`));
  } catch (error) {
    if (!isKvferryError(error)) throw error;
    context.logger.debug({ peer: peer.agent, code: error.code }, 'peer does not answer');
  }
}
