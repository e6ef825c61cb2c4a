/** The links of one side of an agent to the leads of its requests. No link outlives the agent. */
import { type HolderId, nameOf } from '../../store/holder.js';
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

  /** Whether the rank still waits for the verdict about its request. */
  isWaiting(holder: HolderId): boolean {
    return this.#links.get(nameOf(holder))?.isOver === false;
  }

  close(): void {
    for (const link of [...this.#links.values()]) link.close();
  }
}
