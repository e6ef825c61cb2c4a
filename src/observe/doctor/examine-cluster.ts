/** Reads the status of all agents twice. */
import type { KvferryClient } from '../../client/kvferry-client.js';
import { isKvferryError } from '../../protocol/errors.js';
import type { StatusReply } from '../../protocol/operations.js';
import type { AgentFacts, ClusterFacts } from './examination.js';

/** Most agents that are read. */
const AGENTS_MAX = 1000;
const DISCOVER_TIMEOUT_MS = 500;
const STATUS_TIMEOUT_MS = 2_000;

export interface ExamineOptions {
  /** Time between the two readings. */
  readonly windowMs: number;
  /** Resolves after this number of milliseconds. */
  readonly pause: (milliseconds: number) => Promise<void>;
  readonly now: () => number;
}

/** Rejects as the client does when NATS disconnects. An agent that does not answer has no second reading. */
export async function examineCluster(client: KvferryClient, options: ExamineOptions): Promise<ClusterFacts> {
  const { windowMs, pause, now } = options;
  const descriptions = (await client.discover({ timeoutMs: DISCOVER_TIMEOUT_MS })).slice(0, AGENTS_MAX);
  const look = () =>
    Promise.all(
      descriptions.map(async ({ agent }) => {
        const status = await statusOf(client, agent);
        return { status, atMs: now() };
      }),
    );
  const before = await look();
  if (descriptions.length > 0) await pause(windowMs);
  const after = await look();
  const agents = descriptions.map(
    (description, index): AgentFacts => ({
      description,
      before: before[index]?.status,
      after: after[index]?.status,
      elapsedMs: (after[index]?.atMs ?? 0) - (before[index]?.atMs ?? 0),
    }),
  );
  return { agents };
}

async function statusOf(client: KvferryClient, agent: string): Promise<StatusReply | undefined> {
  try {
    return await client.status(agent, { lists: ['segments', 'sessions', 'peers'] }, { timeoutMs: STATUS_TIMEOUT_MS });
  } catch (error) {
    if (isKvferryError(error, 'deadline_exceeded', 'no_responders')) return undefined;
    throw error;
  }
}
