/** Asks all agents for their status. Agents may start, end or not answer, and NATS may be disconnected. */
import type { KvferryClient } from '../../client/kvferry-client.js';
import { isKvferryError } from '../../protocol/errors.js';
import type { DescribeReply } from '../../protocol/operations.js';
import type { AgentSample, Sample } from './sample.js';

/** Time in which answers to `discover` are collected. */
const DISCOVER_TIMEOUT_MS = 250;
const CALL_TIMEOUT_MS = 500;
/** Most agents that are asked. */
const AGENTS_MAX = 1000;
/** Most requests, and most actors, asked of each agent. */
const ROWS_MAX = 200;
/** An agent that has been silent for longer is no longer shown. */
const FORGET_AFTER_MS = 15_000;

export class Sampler {
  readonly #client: KvferryClient;
  readonly #now: () => number;
  #known = new Map<string, AgentSample>();

  constructor(client: KvferryClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** Does not reject for a silent agent or a disconnected NATS. */
  async take(): Promise<Sample> {
    const found = await this.#discover();
    const answers = await Promise.all((found ?? []).map((description) => this.#ask(description)));
    const atMs = this.#now();
    const answered = new Map(answers.map((agent) => [agent.description.agent, agent]));
    const silent = [...this.#known.values()]
      .filter(({ description, statusMs }) => !answered.has(description.agent) && atMs - statusMs < FORGET_AFTER_MS)
      .map((agent) => ({ ...agent, actors: [], silentMs: atMs - agent.statusMs }));
    const agents = [...answered.values(), ...silent].toSorted((a, b) =>
      a.description.agent < b.description.agent ? -1 : 1,
    );
    this.#known = new Map(agents.map((agent) => [agent.description.agent, agent]));
    return { atMs, isConnected: found !== undefined, agents };
  }

  /** Undefined while NATS is disconnected. */
  async #discover(): Promise<DescribeReply[] | undefined> {
    try {
      const found = await this.#client.discover({ timeoutMs: DISCOVER_TIMEOUT_MS });
      return found.slice(0, AGENTS_MAX);
    } catch (error) {
      if (isKvferryError(error, 'disconnected')) return undefined;
      throw error;
    }
  }

  async #ask(description: DescribeReply): Promise<AgentSample> {
    const { agent } = description;
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    const [status, inspected] = await Promise.all([
      unlessSilent(this.#client.status(agent, { limit: ROWS_MAX }, options)),
      unlessSilent(this.#client.inspect(agent, { actors: ROWS_MAX }, options)),
    ]);
    const atMs = this.#now();
    if (status !== undefined) {
      return { description, status, statusMs: atMs, actors: inspected?.actors ?? [], silentMs: undefined };
    }
    const before = this.#known.get(agent);
    const statusMs = before?.statusMs ?? atMs;
    return { description, status: before?.status, statusMs, actors: [], silentMs: atMs - statusMs };
  }
}

/** Undefined when the agent does not answer, or does not know the operation: an older agent has no `inspect`. */
async function unlessSilent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isKvferryError(error) && !isKvferryError(error, 'closed', 'publication_refused')) return undefined;
    throw error;
  }
}
