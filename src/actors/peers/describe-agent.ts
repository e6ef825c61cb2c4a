/** Asks an agent, by its name, to describe itself. */
import { decodeReply } from '../../protocol/codec.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { type DescribeReply, operationSchemas } from '../../protocol/operations.js';
import {
  type PreviousDescription,
  previousAgent,
  previousQuestion,
  previousSubjects,
  readPrevious,
} from '../../protocol/previous-version.js';
import { subjects } from '../../protocol/subjects.js';
import { DEFAULT_TENANT } from '../../protocol/tenants.js';
import type { EnvParts } from '../env/agent-env.js';

/**
 * Rejects as `ControlPort.request` does, with the error that the agent answered, or with `not_yours` when the answer is about
 * another agent.
 */
export async function describeAgent(env: EnvParts, agent: string, timeoutMs: number): Promise<DescribeReply> {
  const subject = subjects.operation(agent, DEFAULT_TENANT, 'describe');
  const answer = await env.control.request(subject, JSON.stringify({ v: PROTOCOL_VERSION }), { timeoutMs });
  const description = decodeReply(operationSchemas.describe.reply, answer);
  if (description.agent === agent) return description;
  throw new KvferryError('not_yours', `an agent ${description.agent} answers for agent ${agent}`, { field: 'agent' });
}

/** The process of the previous protocol version that serves the name. Undefined when none answers. */
export async function describePrevious(
  { control, options }: EnvParts,
  agent: string,
): Promise<PreviousDescription | undefined> {
  try {
    const limit = { timeoutMs: options.attemptTimeoutMs };
    return readPrevious(agent, await control.request(previousSubjects.describe(agent), previousQuestion, limit));
  } catch (error) {
    // No subscriber, or an agent of this version, which refuses the question.
    if (!isKvferryError(error) || error.code === 'closed') throw error;
    return undefined;
  }
}

/** Throws `unsupported_version` when an agent that does not answer is one of the previous protocol version. */
export async function refusePrevious(env: EnvParts, agent: string): Promise<void> {
  if ((await describePrevious(env, agent)) !== undefined) throw previousAgent(agent);
}
