/** Finds the process that serves a name. */
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import { isKvferryError } from '../../protocol/errors.js';
import type { DescribeReply } from '../../protocol/operations.js';
import type { AgentEnv } from '../env/agent-env.js';
import { describeAgent, refusePrevious } from './describe-agent.js';
import { insist } from './peer-call.js';

/**
 * Asks for as long as a process may be silent before it is declared dead. Rejects `deadline_exceeded` when nobody has
 * answered by then, and `unsupported_version` when the process speaks the previous version of the protocol. While this agent is cut off from NATS, it goes on asking. It may also have been stopped: so the last
 * question comes after that time. `check` throws when the answer is of no use any more.
 */
export async function findProcess(env: AgentEnv, agent: string, check: () => void): Promise<DescribeReply> {
  const { clock, living, options } = env;
  const what = `no agent ${agent} answers: check its name and that it runs`;
  const ask = (timeoutMs: number) => describeAgent(env, agent, timeoutMs);
  for (;;) {
    const deadlineMs = clock.now() + SILENT_HEARTBEATS_MAX * options.heartbeatMs;
    try {
      return await insist(env, { what, deadlineMs, check }, ({ forAttemptMs }) => ask(forAttemptMs));
    } catch (error) {
      if (!isKvferryError(error, 'deadline_exceeded')) throw error;
      check();
      const last = await ask(options.attemptTimeoutMs).catch((refusal: unknown) => refusal);
      if (!(last instanceof Error)) return last as DescribeReply;
      if (!isKvferryError(last, 'no_responders', 'publication_refused', 'deadline_exceeded', 'disconnected'))
        throw last;
      if (!living.isLineUp) continue;
      await refusePrevious(env, agent);
      throw error;
    }
  }
}
