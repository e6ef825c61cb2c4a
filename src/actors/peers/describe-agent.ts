/** Asks an agent, by its name, to describe itself. */
import { decodeReply } from '../../protocol/codec.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { type DescribeReply, operationSchemas } from '../../protocol/operations.js';
import { subjects } from '../../protocol/subjects.js';
import type { EnvParts } from '../env/agent-env.js';

/** Rejects as `ControlPort.request` does, or with the error that the agent answered. */
export async function describeAgent(env: EnvParts, agent: string, timeoutMs: number): Promise<DescribeReply> {
  const subject = subjects.operation(agent, 'describe');
  const answer = await env.control.request(subject, JSON.stringify({ v: PROTOCOL_VERSION }), { timeoutMs });
  return decodeReply(operationSchemas.describe.reply, answer);
}
