/** Asks one process of an agent whether it lives. */
import { decodeReply, ReplyError } from '../../protocol/codec.js';
import { isKvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { peerSchemas } from '../../protocol/peer-messages.js';
import { subjects } from '../../protocol/subjects.js';
import type { EnvParts } from '../env/agent-env.js';
import type { Answer, Process } from '../env/living.js';
import { describeAgent } from '../peers/describe-agent.js';

/**
 * A process without a subscription is gone when another one has its name. Without another one it may only be away from NATS
 * at this moment.
 */
export async function askProcess(env: EnvParts, process: Process, timeoutMs: number): Promise<Answer> {
  const { agent, epoch } = process;
  try {
    const question = JSON.stringify({ v: PROTOCOL_VERSION });
    const subject = subjects.peer(agent, epoch, env.options.agent, 'ping');
    const answer = await env.control.request(subject, question, { timeoutMs });
    decodeReply(peerSchemas.ping.reply, answer);
    return 'alive';
  } catch (error) {
    // A refusal is an answer too.
    if (error instanceof ReplyError) return 'alive';
    if (!isKvferryError(error)) throw error;
    if (error.code !== 'no_responders') return 'silent';
  }
  return askName(env, process, timeoutMs);
}

async function askName(env: EnvParts, { agent, epoch }: Process, timeoutMs: number): Promise<Answer> {
  try {
    const described = await describeAgent(env, agent, timeoutMs);
    return described.epoch === epoch ? 'alive' : { replacedBy: described.epoch };
  } catch (error) {
    if (!isKvferryError(error)) throw error;
    return 'silent';
  }
}
