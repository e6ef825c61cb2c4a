/** The links of one side of an agent to the leads of its requests. No link outlives the agent. */
import { nameOf } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { RankLink, type RankLinkListener, type RankLinkTask } from './rank-link.js';

export class RankLinks {
  readonly #env: AgentEnv;
  readonly #links = new Map<string, RankLink>();

  constructor(env: AgentEnv) {
    this.#env = env;
  }

  /** Opens the link of a rank. It replaces an earlier link of the same rank. */
  open(task: RankLinkTask, listener: Omit<RankLinkListener, 'closed'>): RankLink {
    const name = nameOf(task.holder);
    this.#links.get(name)?.close();
    const link = new RankLink(this.#env, task, {
      ...listener,
      closed: () => {
        if (this.#links.get(name) === link) this.#links.delete(name);
      },
    });
    this.#links.set(name, link);
    return link;
  }

  /** Resolves when every link has delivered a verdict, or has given its lead up. */
  async settled(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.settled));
  }

  close(): void {
    for (const link of [...this.#links.values()]) link.close();
  }
}
